"""python -m glrtf.tune: searches the retrieval settings that rank best."""

import sys
from collections.abc import Sequence

from glrtf.config.evaluation import TuneConfig
from tfrecords_tools import cli, expected


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return cli.run(TuneConfig, run_tune, prog="python -m glrtf.tune", argv=argv, resumes=True)


def run_tune(config: TuneConfig) -> None:
    """Runs the study up to its number of trials, judges the best, writes the result."""
    from glrtf.evaluation import study, tune_report, tune_result, tune_workers

    expected.new_folder("--output", config.output)
    problem = study.open_problem(config)
    tune_workers.run_trials(config, problem)
    result = tune_result.judge_best(config, problem)
    tune_report.write_result(config, result)
    print(tune_report.result_text(config, result))


if __name__ == "__main__":
    sys.exit(main())
