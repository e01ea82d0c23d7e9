"""``glrtf index add``: new photos for an embedding set."""

import csv
import dataclasses
import tempfile
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from glrtf.config.index import IndexAddConfig
from glrtf.config.inference import EmbedConfig
from tfrecords_tools.command import cli, expected
from tfrecords_tools.command.typed_settings import checked
from tfrecords_tools.storage import files

if TYPE_CHECKING:
    from glrtf.embeddings.embedding_set import EmbeddingSet
    from glrtf.embeddings.versions import SetChange

_SET_FILE = "embedding_set.json"
_NAMED_IN_NOTES = 3
_MANY_PARTS = 200


@dataclasses.dataclass(frozen=True)
class IndexAddResult:
    """What was added to an embedding set.

    Attributes:
        change: The set as it is now, and how many rows were added, removed and skipped.
        rejected: (path or image id, reason) of each photo that left no row.
    """

    change: "SetChange"
    rejected: tuple[tuple[str, str], ...] = ()


def index_add(config: IndexAddConfig) -> IndexAddResult:
    """Embeds the photos that are new and adds their rows.

    Raises:
        UserError: If the set, the model, the rows or the photos are not as expected.
    """
    config = checked(config, IndexAddConfig)
    expected.folder("--index", config.index, holding=_SET_FILE)
    if config.rows:
        expected.folder("--rows", config.rows, holding=_SET_FILE)
    from glrtf.embeddings import versions
    from glrtf.embeddings.embedding_set import EmbeddingSet

    if config.rows:
        rows = EmbeddingSet.open(config.rows, config.verify)
        return IndexAddResult(_added(config, rows))
    opened = EmbeddingSet.open(config.index, config.verify)
    with tempfile.TemporaryDirectory(prefix="glrtf_index_add_") as folder:
        rows_or_none, known = _embedded(config, opened, f"{folder}/set")
        if rows_or_none is None:
            return IndexAddResult(versions.SetChange(opened, skipped=known))
        done = _added(config, rows_or_none)
        skipped = done.skipped + known
        return IndexAddResult(
            dataclasses.replace(done, skipped=skipped), _rejected(rows_or_none.folder)
        )


def _embedded(
    config: IndexAddConfig, opened: "EmbeddingSet", folder: str
) -> "tuple[EmbeddingSet | None, int]":
    """The new photos' rows, None if there are none, and how many the set has already."""
    from glrtf.commands import embed

    known = opened.ids if config.existing == "skip" else opened.ids[:0]
    meta = opened.meta
    made_like: dict[str, Any] = {
        name: tuple(meta[name]) if isinstance(meta[name], list) else meta[name]
        for name in ("tta", "scales", "precision")
        if meta.get(name) is not None
    }
    settings = EmbedConfig(
        config.model,
        config.data,
        folder,
        split=config.split,
        photo_ids=config.photo_ids,
        adapter=config.adapter,
        checkpoint=config.checkpoint,
        batch_size=config.batch_size,
        dtype="float16" if opened.dtype.name == "float16" else "float32",
        # The model was checked when the set was made.
        min_cosine=0.0,
        runtime=config.runtime,
        max_bad_records=config.max_bad_records,
        descriptor=config.descriptor,
        **made_like,
    )
    return embed.embed_new(settings, known, meta.get("preparation"))


def _added(config: IndexAddConfig, rows: "EmbeddingSet") -> "SetChange":
    from glrtf.data import photo_lists
    from glrtf.embeddings import versions

    # First: names of photos that are not in the set yet do no harm.
    photo_lists.extend_list(config.index, rows.folder)
    return versions.add(config.index, rows, config.existing, config.verify)


def _rejected(folder: str) -> tuple[tuple[str, str], ...]:
    """What the embedding has listed."""
    found = []
    for name in files.list_names(folder):
        if name.startswith("rejects-"):
            text = files.read_bytes(files.join(folder, name)).decode()
            found += [(row[0], row[2]) for row in csv.reader(text.splitlines()[1:])]
    return tuple(found)


def run_add(config: IndexAddConfig) -> None:
    """The command."""
    result = index_add(config)
    change = result.change
    print(
        f"{change.set.folder}: {change.set.num_rows} rows ({change.added} added,"
        f" {change.removed} replaced), version {change.set.generation}"
    )
    if change.skipped:
        print(f"note: {change.skipped} photos are in the set already and were left as they are")
    if result.rejected:
        named = ", ".join(f"{one} ({why})" for one, why in result.rejected[:_NAMED_IN_NOTES])
        more = ", …" if len(result.rejected) > _NAMED_IN_NOTES else ""
        print(f"note: {len(result.rejected)} photos left no row: {named}{more}")
    if change.set.num_parts > _MANY_PARTS:
        print(
            f"note: the set has {change.set.num_parts} parts; `glrtf index compact` makes them few"
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    return cli.run(IndexAddConfig, run_add, argv=argv)
