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
    contents = report.compose(config, material, report.picture(config, material))
    for note in contents.notes:
        print(f"note: {note}", file=sys.stderr)
    print(page.write_page(contents, config.output))


if __name__ == "__main__":
    sys.exit(main())
