"""The report's numbers and notes, as text."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from glrtf.evaluation import scoring
from glrtf.evaluation.scoring import ScoredSubmission
from glrtf.reporting.page import Figure

_LONGEST_VALUE = 120


def figures(
    measures: Mapping[str, Mapping[str, Any]],
    difference: Mapping[str, Any] | None,
    by_bridging: bool,
) -> list[Figure]:
    """The headline numbers.

    Args:
        measures: For each part of the test set its measures.
        difference: The gain over a baseline: ``difference``, ``interval``, ``better`` and
            ``worse``; None without one.
        by_bridging: Whether that is the gain of bridging.
    """
    result = []
    for part, values in measures.items():
        if part == "All" and len(measures) == 2:
            continue
        low, high = values["map@100_interval"]
        note = f"{values['queries']} queries, 95 % {low:.3f} to {high:.3f}"
        result.append(Figure(f"mAP@100, {part.lower()}", f"{values['map@100']:.4f}", note))
    whole = measures["All"]
    result.append(Figure("First image right", f"{whole['precision@1']:.1%}", "precision at 1"))
    result.append(Figure("Found in 100", f"{whole['recall@100']:.1%}", "mean recall at 100"))
    result.append(Figure("No hit at all", str(whole["queries_without_hit"]), "queries, in 100"))
    if difference:
        name = "Bridging gains" if by_bridging else "Gain on the baseline"
        result.append(_gain(name, difference))
    return result


def _gain(name: str, difference: Mapping[str, Any]) -> Figure:
    """A gain in mAP counts only if its interval does not contain 0."""
    low, high = difference["interval"]
    better, worse = difference["better"], difference["worse"]
    note = f"95 % {low:+.4f} to {high:+.4f}; {better} queries better, {worse} worse"
    value = f"{difference['difference']:+.4f}"
    if low <= 0 <= high:
        return Figure(name, "not shown", f"mAP {value}, {note}: the interval holds 0")
    return Figure(name, value, f"mAP, {note}")


def measure_rows(measures: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """The table of all measures, the header first."""
    names = [name for name in measures["All"] if name != "map@100_interval"]
    rows = [["", *measures]]
    for name in names:
        values = [part[name] for part in measures.values()]
        rows.append([name, *(f"{v:.5f}" if isinstance(v, float) else str(v) for v in values)])
    return rows


def parameter_rows(info: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """``retrieval.json`` as names and values."""
    rows: list[tuple[str, str]] = []
    for name, value in info.items():
        if isinstance(value, dict):
            rows += parameter_rows(value, f"{prefix}{name}.")
        else:
            text = f"{value:.4g}" if isinstance(value, float) else str(value)
            long = len(text) > _LONGEST_VALUE
            rows.append((prefix + name, f"{text[: _LONGEST_VALUE - 1]}…" if long else text))
    return rows


def oddities(scored: ScoredSubmission, has_evidence: bool) -> list[str]:
    """Properties of the submission that its author may not expect."""
    notes = [f"{line[0].upper()}{line[1:]}." for line in scoring.oddities(scored)]
    if not has_evidence:
        notes.append("A bare submission carries no evidence: no scores, no bridges.")
    return notes


def photo_notes(wanted: int, missing: Sequence[str], refused: Sequence[str]) -> list[str]:
    """The photos that the page cannot show."""
    notes = []
    if len(missing) == wanted:
        return [
            f"None of the {wanted} photos is in the source: expected *.tar or a/b/c/ID.jpg there "
            "or in its train, index and test."
        ]
    if missing:
        notes.append(
            f"{len(missing)} of {wanted} photos are not in the source and show as "
            f"“no photo”, such as {missing[0]}."
        )
    if refused:
        notes.append(f"{len(refused)} photos could not be decoded, such as {refused[0]}.")
    return notes


def gallery_text(shown: int, queries: int, baseline: str | None, has_evidence: bool) -> str:
    """Describes the gallery and the baseline.

    Args:
        shown: How many queries it shows.
        queries: How many the solution has.
        baseline: The retrieval folder compared with, if any.
        has_evidence: Whether there are confidences to compare by.
    """
    text = f"All {shown} queries of the solution."
    if shown < queries:
        text = (
            f"{shown} of the solution's {queries} queries: in turn the worst, best, most helped, "
            "most hurt, those without landmark, and a fixed sample."
        )
    if baseline:
        name = os.path.basename(os.path.normpath(baseline))
        return f"{text} A query's average precision is compared with that in {name}."
    if has_evidence:
        return (
            f"{text} A query's average precision is compared with that of the same images "
            "ordered by direct confidence alone; what bridging gains is seen with --baseline, a "
            "retrieval of --preset direct."
        )
    return text
