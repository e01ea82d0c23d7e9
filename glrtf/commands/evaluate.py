"""glrtf evaluate SUBMISSION SOLUTION: scores a submission."""

import dataclasses
import os
import sys
from collections.abc import Sequence
from typing import Any

from glrtf.config.evaluation import EvaluateConfig
from tfrecords_tools.command import cli, expected
from tfrecords_tools.command.typed_settings import checked
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import csv_files, files

_OF_LABELS = ("index_labels", "per_label")


@dataclasses.dataclass(frozen=True)
class EvaluateResult:
    """The scores of a submission.

    Attributes:
        task: retrieval, recognition, revisited or labels.
        submission: The scored file's name.
        solution: The ground truth's name.
        measures: Part of the test set → measures.
        counts: Oddities of a retrieval submission, such as queries that are missing.
        compare: Other submission → part → its difference to this one.
        compared: The measure whose difference that is.
        notes: Messages for the user.
    """

    task: str
    submission: str
    solution: str
    measures: dict[str, Any]
    counts: dict[str, int] = dataclasses.field(default_factory=dict)
    compare: dict[str, Any] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()
    compared: str = "mAP@100"

    def as_json(self) -> dict[str, Any]:
        """The content of ``--json``."""
        values = dataclasses.asdict(self)
        more = {
            "retrieval": ("counts", "compare"),
            "recognition": ("compare",),
            "labels": ("counts", "compare"),
        }
        return {
            name: values[name]
            for name in ("task", "measures", "submission", "solution", *more.get(self.task, ()))
        }


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return cli.run(EvaluateConfig, run_evaluate, argv=argv, positional=True)


def run_evaluate(config: EvaluateConfig) -> None:
    """Scores and prints the measures."""
    result = evaluate(config)
    from glrtf.evaluation import text_table

    for note in result.notes:
        print(f"note: {note}", file=sys.stderr)
    if result.task == "labels":
        print(text_table.label_table(result.measures, result.compare))
        return
    print(text_table.measure_table(result.measures))
    for path, difference in result.compare.items():
        print(f"\n{result.compared} of {path} minus {config.submission}")
        print(text_table.measure_table(difference))
        for part, values in difference.items():
            low, high = values.get("interval", (1, 1))
            if low <= 0 <= high:
                print(f"{part}: the interval contains 0: no significant difference")


def evaluate(config: EvaluateConfig) -> EvaluateResult:
    """Scores a submission and writes the files that the settings name.

    Raises:
        UserError: If a file is not as expected, or the two have no query in common.
    """
    config = checked(config, EvaluateConfig)
    from glrtf.evaluation import relevance, solutions

    for option in ("json", "per_query", "per_label"):
        if path := getattr(config, option):
            expected.new_file(f"--{option}", path, config)
    if config.solution.endswith(".json"):
        result = _evaluate_revisited(config)
    elif solutions.is_recognition(config.solution):
        result = _evaluate_recognition(config)
    elif relevance.has_labels(config.solution) or relevance.has_relevant_images(config.solution):
        result = _evaluate_labels(config)
    else:
        result = _evaluate_retrieval(config)
    if config.json:
        files.write_json(config.json, result.as_json())
    return result


def _evaluate_retrieval(config: EvaluateConfig) -> EvaluateResult:
    from glrtf.evaluation import solutions, summary
    from glrtf.evaluation.scoring import ScoredSubmission, oddities, score_submission
    from glrtf.evaluation.submissions import read_index_ids, read_submission

    _refuse(config, _OF_LABELS, "labels", "a solution with Usage")
    solution = solutions.read_retrieval_solution(config.solution)
    index_ids = read_index_ids(config.index, config.verify) if config.index else None

    notes: list[str] = []

    def scored_file(path: str) -> ScoredSubmission:
        one = score_submission(read_submission(path, index_ids), solution, name=path)
        notes.extend(f"{path}: {oddity}" for oddity in oddities(one))
        return one

    scored = scored_file(config.submission)
    measures = summary.retrieval_measures(scored, resamples=config.resamples)
    differences = {}
    for path in config.compare:
        other = scored_file(path)
        differences[path] = summary.paired_difference(scored, other, resamples=config.resamples)
    if config.per_query:
        _write_per_query(config.per_query, scored)
    names = ("missing", "cut", "repeats", "ignored", "unlike")
    counts = {name: getattr(scored, name) for name in names}
    found = _result(config, "retrieval", measures, notes)
    return dataclasses.replace(found, counts=counts, compare=differences)


def _evaluate_labels(config: EvaluateConfig) -> EvaluateResult:
    from glrtf.evaluation import label_score, relevance
    from glrtf.evaluation.submissions import read_index_ids, read_submission

    rankings = dict(read_submission(config.submission))
    index = read_index_ids(config.index, config.verify) if config.index else None
    own = config.own == "keep"
    if relevance.has_relevant_images(config.solution):
        _refuse(config, ("index_labels", "per_label"), "labels", "relevant images")
        right = relevance.Relevance(
            relevance.read_relevant_images(config.solution), {}, own=own, known=index
        )
    else:
        labels = relevance.read_labels(config.solution)
        if config.index_labels:
            shown = relevance.read_labels(config.index_labels)
            right = relevance.by_labels(labels, shown, index, own=own)
        else:
            right = relevance.in_one_table(labels, rankings, index, own=own)
    notes = list(right.notes)

    def scored_file(path: str, found: dict[str, list[str]]) -> label_score.LabelScore:
        one = label_score.score(found, right, name=path, ranks=config.ranks)
        notes.extend(f"{path}: {oddity}" for oddity in label_score.oddities(one))
        return one

    scored = scored_file(config.submission, rankings)
    compare = {}
    for path in config.compare:
        other = scored_file(path, dict(read_submission(path)))
        compare[path] = label_score.differences(scored, other, resamples=config.resamples)
    measures = label_score.summary(scored, resamples=config.resamples)
    if config.per_query:
        files.write_bytes(config.per_query, label_score.query_table(scored).encode())
    if config.per_label:
        files.write_bytes(config.per_label, label_score.label_table(scored).encode())
    found = _result(config, "labels", measures, notes)
    return dataclasses.replace(found, counts=scored.counts, compare=compare)


def _evaluate_recognition(config: EvaluateConfig) -> EvaluateResult:
    from glrtf.evaluation import gap_intervals, solutions, submissions, summary

    _refuse_retrieval_options(config, "recognition files", ("per_query", "index"))
    solution = solutions.read_recognition_solution(config.solution)
    predictions = submissions.read_recognitions(config.submission)
    measures = summary.recognition_measures(predictions, solution, name=config.submission)
    if config.resamples:
        known = gap_intervals.intervals(predictions, solution, config.resamples)
        measures = {part: _with_interval(each, known[part]) for part, each in measures.items()}
    differences = {}
    for path in config.compare:
        others = submissions.read_recognitions(path)
        summary.recognition_measures(others, solution, name=path)
        differences[path] = gap_intervals.paired_difference(
            predictions, others, solution, config.resamples
        )
    return dataclasses.replace(
        _result(config, "recognition", measures), compare=differences, compared="GAP"
    )


def _with_interval(measures: dict[str, Any], interval: list[float]) -> dict[str, Any]:
    """Measures of a recognition with the interval of GAP behind it."""
    values = {}
    for name, value in measures.items():
        values[name] = value
        if name == "gap":
            values["gap_interval"] = interval
    return values


def _evaluate_revisited(config: EvaluateConfig) -> EvaluateResult:
    from glrtf.evaluation import revisited
    from glrtf.evaluation.submissions import read_submission

    _refuse_retrieval_options(config, "a ground truth of Revisited Oxford or Paris")
    truth = revisited.read_ground_truth(config.solution)
    rankings = dict(read_submission(config.submission))
    measures = revisited.measures(
        rankings.items(), truth, name=config.submission, resamples=config.resamples
    )
    notes = []
    if missing := len(set(truth.queries) - set(rankings)):
        notes.append(f"{missing} of {len(truth.queries)} queries are missing and score 0")
    return _result(config, "revisited", measures, notes)


def _refuse_retrieval_options(
    config: EvaluateConfig,
    found: str,
    names: Sequence[str] = ("compare", "per_query", "index"),
) -> None:
    _refuse(config, names, "retrieval files", found)
    _refuse(config, _OF_LABELS, "labels", found)


def _refuse(config: EvaluateConfig, names: Sequence[str], expected_of: str, found: str) -> None:
    for name in names:
        if getattr(config, name):
            raise UserError(f"--{name}: expected {expected_of}, found {found}")


def _result(
    config: EvaluateConfig, task: str, measures: dict[str, Any], notes: Sequence[str] = ()
) -> EvaluateResult:
    names = {name: os.path.basename(getattr(config, name)) for name in ("submission", "solution")}
    return EvaluateResult(task, measures=measures, notes=tuple(notes), **names)


def _write_per_query(path: str, scored: Any) -> None:
    from glrtf.evaluation import metrics, summary

    precisions = summary.average_precisions(scored)
    firsts = metrics.first_hit_rank(scored.hits)
    rows = []
    for row, query_id in enumerate(scored.query_ids):
        counts = (firsts[row], scored.num_relevant[row], scored.hits[row].sum())
        rows.append([query_id, scored.usage[row], f"{precisions[row]:.6f}", *counts])
    header = ["id", "Usage", "average_precision", "first_hit_rank", "relevant", "hits"]
    csv_files.write(path, header, rows)
