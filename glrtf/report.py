"""python -m glrtf.report: a folder with an HTML page that shows what a retrieval found."""

import sys
from collections.abc import Sequence

from glrtf.config.evaluation import ReportConfig
from tfrecords_tools import cli


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return cli.run(ReportConfig, run_report, prog="python -m glrtf.report", argv=argv)


def run_report(config: ReportConfig) -> None:
    """Gathers, makes the thumbnails, writes the page and says where it is."""
    from glrtf.evaluation import page, report

    material = report.gather(config)
    pictures = report.picture(config, material)
    path = page.write_page(report.compose(config, material, pictures), config.output)
    print(path)


if __name__ == "__main__":
    sys.exit(main())
