"""glrtf report: a folder with an HTML page that shows what a retrieval found."""

import dataclasses
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from glrtf.config.evaluation import ReportConfig
from tfrecords_tools.command import cli, expected
from tfrecords_tools.command.typed_settings import checked
from tfrecords_tools.errors import UserError


@dataclasses.dataclass(frozen=True)
class ReportResult:
    """A report.

    Attributes:
        page: The HTML page.
        measures: Part of the test set → measures, as `glrtf.score` returns them.
        notes: Messages about what could not be shown.
    """

    page: str
    measures: Mapping[str, Mapping[str, Any]]
    notes: tuple[str, ...]


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return cli.run(ReportConfig, run_report, argv=argv)


def run_report(config: ReportConfig) -> None:
    """Writes the report and prints its path."""
    done = report(config)
    for note in done.notes:
        print(f"note: {note}", file=sys.stderr)
    print(done.page)


def report(config: ReportConfig) -> ReportResult:
    """Gathers, makes the thumbnails and writes the page.

    Raises:
        UserError: If the retrieval, the solution, photos or the output are not as expected.
    """
    config = checked(config, ReportConfig)
    from glrtf.reporting import page, report_embeddings, wandb_log
    from glrtf.reporting import report as steps

    expected.new_folder("--output", config.output)
    if config.wandb:
        wandb_log.require_wandb()
    material = steps.gather(config)
    if config.projector and material.embedding_map is None:
        raise UserError(
            "--projector: expected embedding sets of query and index for a map, found none; "
            "name them with --query and --index, and leave --map on"
        )
    contents = steps.compose(config, material, steps.picture(config, material))
    path = page.write_page(contents, config.output)
    if config.projector and material.embedding_map:
        report_embeddings.write_projector(
            config.projector, config, material.embeddings, material.embedding_map
        )
    if config.wandb:
        name = os.path.basename(os.path.normpath(config.retrieval))
        parameters = material.result.info.get("parameters", {})
        wandb_log.log_report(config.wandb, name, material.measures, parameters, config.output)
    return ReportResult(path, material.measures, tuple(contents.notes))
