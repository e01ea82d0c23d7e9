"""``glrtf rows export``: embedding sets to files of other programs."""

import dataclasses
from collections.abc import Sequence

from glrtf.config.rows import RowsExportConfig
from tfrecords_tools.command import cli, expected
from tfrecords_tools.command.typed_settings import checked


@dataclasses.dataclass(frozen=True)
class RowsExportResult:
    """Rows written for other programs.

    Attributes:
        path: The file or folder.
    """

    path: str


def rows_export(config: RowsExportConfig) -> RowsExportResult:
    """Writes the rows and their ids.

    Raises:
        UserError: If a set is incomplete, or a package that the format needs is missing.
    """
    config = checked(config, RowsExportConfig)
    expected.new_file("--output", config.output, config)
    from glrtf.embeddings.embedding_set import EmbeddingSet
    from glrtf.embeddings.foreign import formats
    from glrtf.embeddings.joined_rows import join

    sets = [EmbeddingSet.open(folder, config.verify) for folder in config.sets]
    formats.export_rows(sets[0] if len(sets) == 1 else join(sets, config.votes), config.output)
    return RowsExportResult(config.output)


def run_export(config: RowsExportConfig) -> None:
    """The command."""
    print(rows_export(config).path)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    return cli.run(RowsExportConfig, run_export, argv=argv)
