"""``glrtf index remove``: photos that an embedding set is to have no more."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from glrtf.config.index import IndexRemoveConfig
from tfrecords_tools.command import cli, expected
from tfrecords_tools.command.typed_settings import checked

if TYPE_CHECKING:
    from glrtf.embeddings.versions import SetChange


@dataclasses.dataclass(frozen=True)
class IndexRemoveResult:
    """What was removed from an embedding set.

    Attributes:
        change: The set as it is now, and how many rows were removed and ids skipped.
    """

    change: "SetChange"


def index_remove(config: IndexRemoveConfig) -> IndexRemoveResult:
    """Removes photos from a set.

    Raises:
        UserError: If the set or a file is not as expected, or an id is unknown.
    """
    config = checked(config, IndexRemoveConfig)
    expected.folder("--index", config.index, holding="embedding_set.json")
    if config.ids_file:
        expected.file("--ids_file", config.ids_file)
    import numpy as np

    from glrtf.data import photo_lists
    from glrtf.embeddings import versions
    from glrtf.embeddings.foreign import id_files

    ids = id_files.checked_ids("--ids", list(config.ids))
    if config.ids_file:
        ids = np.concatenate([ids, id_files.read_ids(config.ids_file)])
    done = versions.remove(
        config.index, ids, ignore_unknown=config.ignore_unknown, verify=config.verify
    )
    photo_lists.shorten_list(config.index, ids)
    return IndexRemoveResult(done)


def run_remove(config: IndexRemoveConfig) -> None:
    """The command."""
    change = index_remove(config).change
    print(
        f"{change.set.folder}: {change.set.num_rows} rows ({change.removed} removed),"
        f" version {change.set.generation}"
    )
    if change.skipped:
        print(f"note: {change.skipped} ids are not in the set")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    return cli.run(IndexRemoveConfig, run_remove, argv=argv)
