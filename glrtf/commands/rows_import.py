"""``glrtf rows import``: rows of any descriptor to embedding sets."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from glrtf.config.rows import RowsImportConfig
from tfrecords_tools.command import cli, expected
from tfrecords_tools.command.typed_settings import checked

if TYPE_CHECKING:
    from glrtf.embeddings.foreign.importing import RowsImportResult


def rows_import(config: RowsImportConfig) -> "RowsImportResult":
    """Writes the embedding set, or one for each split.

    Raises:
        UserError: If a file is missing, damaged, of another kind, or does not fit.
    """
    config = checked(config, RowsImportConfig)
    expected.new_folder("--output", config.output)
    if config.ids:
        expected.file("--ids", config.ids)
    tables = dict(each.split("=", 1) for each in config.splits)
    for path in tables.values():
        expected.file("--splits", path)
    from glrtf.embeddings.foreign import formats, id_files, importing

    source = formats.open_rows(config.source, config.rows, config.id_column)
    ids = id_files.ids_of(source, config.ids)
    splits = {name: id_files.read_ids(path) for name, path in tables.items()}
    digest = {"model_digest": config.model_digest} if config.model_digest else {}
    return importing.import_rows(
        source,
        ids,
        config.output,
        splits=splits or None,
        dtype=config.dtype,
        max_rejects=config.max_rejects,
        meta={"model": config.model} | digest,
    )


def run_import(config: RowsImportConfig) -> None:
    """The command."""
    from glrtf.embeddings.foreign.importing import DOUBLES_FILE, REJECTS_FILE

    done = rows_import(config)
    for one in done.sets.values():
        print(f"{one.folder}: {one.num_rows} rows of {one.dimension} numbers, {one.dtype}")
    if done.rejects:
        image_id, row, reason = done.rejects[0]
        print(
            f"note: {len(done.rejects)} rows are left out, the first row {row} ({image_id}:"
            f" {reason}); {REJECTS_FILE} lists them"
        )
    if done.doubles:
        image_id, _, other = done.doubles[0]
        print(
            f"note: {len(done.doubles)} rows equal another image's ({image_id} and {other});"
            f" they are kept, {DOUBLES_FILE} lists them"
        )
    if done.unlisted:
        print(f"note: {done.unlisted} rows are in no table of --splits")
    for name, count in done.missing.items():
        if count:
            print(f"note: {count} ids of {name} have no row")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    return cli.run(RowsImportConfig, run_import, argv=argv)
