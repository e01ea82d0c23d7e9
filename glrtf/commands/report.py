"""glrtf report: a folder with an HTML page that shows what a retrieval found."""

import os
import sys
from collections.abc import Sequence

from glrtf.config.evaluation import ReportConfig
from tfrecords_tools.command import cli, expected
from tfrecords_tools.errors import UserError


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return cli.run(ReportConfig, run_report, argv=argv)


def run_report(config: ReportConfig) -> None:
    """Gathers, makes the thumbnails, writes the page and says where it is."""
    from glrtf.reporting import page, report, report_embeddings, wandb_log

    expected.new_folder("--output", config.output)
    if config.wandb:
        wandb_log.require_wandb()
    material = report.gather(config)
    if config.projector and material.embedding_map is None:
        raise UserError(
            "--projector: expected embedding sets of query and index for a map, found none; "
            "name them with --query and --index, and leave --map on"
        )
    contents = report.compose(config, material, report.picture(config, material))
    for note in contents.notes:
        print(f"note: {note}", file=sys.stderr)
    path = page.write_page(contents, config.output)
    if config.projector and material.embedding_map:
        report_embeddings.write_projector(
            config.projector, config, material.embeddings, material.embedding_map
        )
    if config.wandb:
        name = os.path.basename(os.path.normpath(config.retrieval))
        parameters = material.result.info.get("parameters", {})
        wandb_log.log_report(config.wandb, name, material.measures, parameters, config.output)
    print(path)
