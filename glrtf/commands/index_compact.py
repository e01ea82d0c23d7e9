"""``glrtf index compact``: an embedding set that was changed, in few files again."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from glrtf.config.index import IndexCompactConfig
from tfrecords_tools.command import cli, expected
from tfrecords_tools.command.typed_settings import checked

if TYPE_CHECKING:
    from glrtf.embeddings.embedding_set import EmbeddingSet


@dataclasses.dataclass(frozen=True)
class IndexCompactResult:
    """A set in new files.

    Attributes:
        set: The set as it is now, opened.
    """

    set: "EmbeddingSet"


def index_compact(config: IndexCompactConfig) -> IndexCompactResult:
    """Writes a set's rows into new files and deletes the old ones.

    Raises:
        UserError: If the set is not as expected.
    """
    config = checked(config, IndexCompactConfig)
    expected.folder("--index", config.index, holding="embedding_set.json")
    from glrtf.embeddings import versions

    return IndexCompactResult(versions.compact(config.index, config.verify).set)


def run_compact(config: IndexCompactConfig) -> None:
    """The command."""
    done = index_compact(config).set
    print(
        f"{done.folder}: {done.num_rows} rows in {done.num_parts} parts, version {done.generation}"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    return cli.run(IndexCompactConfig, run_compact, argv=argv)
