"""glrtf tune: searches for the retrieval settings that rank best."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from glrtf.config.evaluation import TuneConfig
from tfrecords_tools.command import cli, expected
from tfrecords_tools.command.typed_settings import checked

if TYPE_CHECKING:
    from glrtf.tuning.result import TuneResult


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return cli.run(TuneConfig, run_tune, argv=argv, resumes=True)


def run_tune(config: TuneConfig) -> None:
    """Tunes and prints the result."""
    result = tune(config)
    from glrtf.tuning import outcome

    print(outcome.result_text(config, result))


def tune(config: TuneConfig) -> "TuneResult":
    """Runs the study up to its number of trials, measures the best trial and writes the result.

    Returns:
        The result; ``best.yaml`` and the other files are in the output folder.

    Raises:
        UserError: If an input or the output folder is not as expected.
    """
    config = checked(config, TuneConfig)
    from glrtf.retrieval import bundle
    from glrtf.tuning import outcome, study, workers
    from glrtf.tuning import result as tune_result

    expected.new_folder("--output", config.output)
    config = bundle.applied(config)
    problem = study.open_problem(config)
    workers.run_trials(config, problem)
    result = tune_result.judge_best(config, problem)
    outcome.write_result(config, result)
    return result
