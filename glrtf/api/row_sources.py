"""Opens rows for a search: folders, sets or arrays."""

import os
from typing import TYPE_CHECKING, Any, TypeAlias, Union

from tfrecords_tools.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from glrtf.embeddings.embedding_set import EmbeddingSet
    from glrtf.embeddings.joined_rows import JoinedRows
    from glrtf.embeddings.rows import ArrayRows

Path: TypeAlias = str | os.PathLike[str]
Rows: TypeAlias = Union[
    Path, "EmbeddingSet", "JoinedRows", "ArrayRows", "np.ndarray", tuple[Any, "np.ndarray"]
]
"""Rows of length 1: a set's folder, an open set, an array (n, d), or a pair (ids, array)."""
Sets: TypeAlias = Rows | list[Union[Path, "EmbeddingSet"]]
"""As `Rows`; a list has one embedding set per model, over the same images."""


def opened(one: "Path | EmbeddingSet") -> "EmbeddingSet":
    """The set, opened if it is a folder."""
    from glrtf.embeddings.embedding_set import EmbeddingSet

    return one if isinstance(one, EmbeddingSet) else EmbeddingSet.open(one)


def row_source(rows: Any, name: str) -> Any:
    """The `RowSource` of any kind of `Rows`."""
    import numpy as np

    from glrtf.embeddings.rows import ArrayRows

    if isinstance(rows, str | os.PathLike):
        return opened(rows)
    if isinstance(rows, np.ndarray):
        return ArrayRows(rows, name)
    if isinstance(rows, tuple):
        ids, array = rows
        if len(ids) != len(array):
            raise UserError(f"{name}: expected an id for each row, found {len(ids)}, {len(array)}")
        return ArrayRows(array, name, ids)
    return rows


def sources_of(rows: Any, role: str) -> list[Any]:
    """The sets, one per model, or the single array of a role."""
    from glrtf.embeddings.joined_rows import JoinedRows

    if isinstance(rows, list):
        return [opened(one) for one in rows]
    if isinstance(rows, JoinedRows):
        raise UserError(
            f"{role}: expected a list of sets, found them joined; give the list and votes"
        )
    return [row_source(rows, role)]


def require_one_model(*sources: Any) -> None:
    """Raises a `UserError` for embedding sets of different models; arrays have no model."""
    from glrtf.embeddings.agreement import Agreement
    from glrtf.embeddings.embedding_set import EmbeddingSet
    from glrtf.embeddings.joined_rows import JoinedRows

    agreement = Agreement()
    for source in sources:
        sets = source.sets if isinstance(source, JoinedRows) else (source,)
        for place, one in enumerate(sets):
            if isinstance(one, EmbeddingSet):
                agreement.add(one.folder, one.meta, place)
