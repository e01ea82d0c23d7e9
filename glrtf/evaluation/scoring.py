"""Compares a submission with the solution: which ranked images are right."""

import array
import dataclasses
from collections.abc import Iterable

import numpy as np

from glrtf.evaluation.id_forms import IdForm, lost_form_hint
from glrtf.evaluation.solutions import RetrievalSolution
from tfrecords_tools.errors import UserError

MAX_PREDICTIONS = 100
_FILE_NAME = ".jpg"


@dataclasses.dataclass(frozen=True)
class ScoredSubmission:
    """Which predictions are right, for the scored queries in the solution's order.

    Attributes:
        query_ids: The queries, Q of them.
        usage: (Q,) str, ``Public`` or ``Private``.
        hits: (Q, k) bool, whether the prediction at a rank is right and occurs for the first time.
        num_relevant: (Q,) int64, at least 1.
        num_predictions: (Q,) int64; 0 if the submission does not have the query.
        missing: How many scored queries the submission does not have.
        cut: How many queries had more than k predictions.
        repeats: How many of the first k predictions repeat an earlier one.
        ignored: How many of the submission's queries are not scored.
        unlike: How many of the first k predictions do not have the form of the solution's ids.
        unlike_text: The first of them, and the form of the solution's ids.
    """

    query_ids: tuple[str, ...]
    usage: np.ndarray
    hits: np.ndarray
    num_relevant: np.ndarray
    num_predictions: np.ndarray
    missing: int
    cut: int
    repeats: int
    ignored: int
    unlike: int = 0
    unlike_text: str = ""


def hit_ranks(predictions: list[str], relevant: frozenset[str]) -> list[int]:
    """The ranks, from 0, of the relevant images where they first occur."""
    return _hit_ranks(predictions, set(predictions), relevant)


def _hit_ranks(predictions: list[str], distinct: set[str], relevant: frozenset[str]) -> list[int]:
    found = distinct & relevant
    if not found:
        return []
    if len(distinct) == len(predictions):
        return [rank for rank, image_id in enumerate(predictions) if image_id in found]
    return sorted(predictions.index(image_id) for image_id in found)


def score_submission(
    submission: Iterable[tuple[str, list[str]]],
    solution: RetrievalSolution,
    *,
    name: str = "submission",
    max_predictions: int = MAX_PREDICTIONS,
) -> ScoredSubmission:
    """Compares a submission's predictions with the solution.

    Args:
        submission: The id and the ranked index ids of each query.
        solution: The ground truth.
        name: What the submission is called in messages.
        max_predictions: k; predictions after the k-th do not count.

    Raises:
        UserError: If the submission has a query that is not in the solution, has none of the
            scored queries, or has file names instead of ids.
    """
    rows = {query_id: row for row, query_id in enumerate(solution.relevant)}
    hit_places = array.array("q")
    num_predictions = np.zeros(len(rows), np.int64)
    answered = cut = repeats = ignored = 0
    form = IdForm(solution.relevant.values())
    unlike, example = 0, ""
    names = any(_FILE_NAME in one for ids in solution.relevant.values() for one in ids)
    for query_id, predictions in submission:
        row = rows.get(query_id)
        if row is None:
            if query_id not in solution.usage:
                raise _unknown(name, query_id, answered + ignored, solution)
            ignored += 1
            continue
        answered += 1
        if not names and _FILE_NAME in " ".join(predictions):
            found = next(one for one in predictions if _FILE_NAME in one)
            raise UserError(
                f"{name}: query {query_id}: expected ids as the solution has them, found the file"
                f" name {found!r}; write them without {_FILE_NAME}"
            )
        if len(predictions) > max_predictions:
            cut += 1
            predictions = predictions[:max_predictions]
        distinct = set(predictions)
        repeats += len(predictions) - len(distinct)
        if odd := form.unlike(predictions):
            unlike += len(odd)
            example = example or odd[0]
        num_predictions[row] = len(predictions)
        ranks = _hit_ranks(predictions, distinct, solution.relevant[query_id])
        hit_places.extend([row * max_predictions + rank for rank in ranks])
    if not answered:
        found = f"{ignored} ignored ones" if ignored else "no other"
        raise UserError(
            f"{name}: expected the solution's {len(rows)} scored queries, found none of them and "
            f"{found}; the two files belong to different test sets"
        )
    hits = np.zeros((len(rows), max_predictions), bool)
    hits.reshape(-1)[np.frombuffer(hit_places, np.int64)] = True
    return ScoredSubmission(
        query_ids=tuple(rows),
        usage=np.array([solution.usage[query_id] for query_id in rows]),
        hits=hits,
        num_relevant=np.array([len(ids) for ids in solution.relevant.values()], np.int64),
        num_predictions=num_predictions,
        missing=len(rows) - answered,
        cut=cut,
        repeats=repeats,
        ignored=ignored,
        unlike=unlike,
        unlike_text=f"such as {example!r}; it has {form.text}" if unlike else "",
    )


def oddities(scored: ScoredSubmission) -> list[str]:
    """Notes on parts of a submission that score differently than its author may expect."""
    total = len(scored.query_ids)
    counts = (
        (scored.missing, f"of {total} scored queries missing; a missing one scores 0"),
        (scored.cut, f"of {total} scored queries with more than 100 predictions; the rest is cut"),
        (
            scored.unlike,
            f"predictions look like no id of the solution, {scored.unlike_text}; write whole ids"
            " with spaces between",
        ),
        (scored.repeats, "predictions repeated; they are skipped and keep their rank"),
    )
    lines = [f"{count} {text}" for count, text in counts if count]
    if not scored.hits.any():
        if scored.num_predictions.any():
            lines.append("no predicted image is right; they may be images of another index")
        else:
            lines.append("no image is predicted for any scored query")
    return lines


def _unknown(name: str, query_id: str, known: int, solution: RetrievalSolution) -> UserError:
    hint = lost_form_hint(query_id, solution.usage)
    if not hint:
        hint = "the two files belong to different test sets" if not known else "remove its line"
    return UserError(f"{name}: query {query_id!r} is not in the solution; {hint}")
