"""Measures as a table for a terminal."""

from collections.abc import Mapping
from typing import Any


def measure_table(measures: Mapping[str, Mapping[str, Any]]) -> str:
    """Measures as lines: one row a measure, one column a part of the test set.

    Args:
        measures: For each part its measures; a two-number list is an interval.
    """
    header = ["", *measures]
    names = list(dict.fromkeys(name for values in measures.values() for name in values))
    rows = [[name, *(_text(values.get(name)) for values in measures.values())] for name in names]
    return columns([header, *rows])


def label_table(
    measures: Mapping[str, Mapping[str, Any]], compare: Mapping[str, Mapping[str, Any]]
) -> str:
    """Measures by labels as lines: the mean over queries, its interval, and that over labels.

    Args:
        measures: ``All`` and, where there are labels, ``Labels``.
        compare: Other submission -> measure -> ``difference`` and ``interval``.
    """
    of_queries, of_labels = measures["All"], measures.get("Labels", {})
    names = [name for name in of_queries if name != "queries" and not name.endswith("_interval")]
    header = [f"{of_queries['queries']} queries", "mean", "95 %"]
    header += [f"mean of {of_labels['labels']} labels"] if of_labels else []
    header += [f"{path} minus it" for path in compare]
    lines = [header]
    for name in names:
        line = [name, _text(of_queries[name]), _text(of_queries.get(f"{name}_interval"))]
        line += [_text(of_labels[name])] if of_labels else []
        for gains in compare.values():
            interval = gains[name].get("interval")
            shown = f"{gains[name]['difference']:+.5f}"
            line.append(f"{shown} {_text(interval)}" if interval else shown)
        lines.append(line)
    return columns(lines)


def columns(rows: list[list[str]]) -> str:
    """Rows of texts in columns: the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        return "[" + ", ".join(f"{end:.5f}" for end in value) + "]"
    return str(value) if isinstance(value, int) else f"{value:.5f}"
