"""Metrics as tables for the terminal."""

from collections.abc import Mapping
from typing import Any


def measure_table(measures: Mapping[str, Mapping[str, Any]]) -> str:
    """A table with a line per metric and a column per part of the test set.

    Args:
        measures: The metrics of each part; a list of two numbers is an interval.
    """
    header = ["", *measures]
    names = list(dict.fromkeys(name for values in measures.values() for name in values))
    rows = [[name, *(_text(values.get(name)) for values in measures.values())] for name in names]
    return columns([header, *rows])


def label_table(
    measures: Mapping[str, Mapping[str, Any]], compare: Mapping[str, Mapping[str, Any]]
) -> str:
    """A table with a line per metric: the mean over queries, its interval, the mean over labels.

    Args:
        measures: ``All`` and, if there are labels, ``Labels``.
        compare: For each other submission and metric, ``difference`` and ``interval``.
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
    """Rows of texts in columns: the first aligned left, the others right."""
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
