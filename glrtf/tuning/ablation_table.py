"""The ablation table as Markdown, CSV, JSON and a bar chart."""

import dataclasses
from collections.abc import Sequence
from typing import TypedDict

from glrtf.charts import bar_chart, svg
from glrtf.tuning.ablation import Row
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import csv_files, files, json_shapes

JSON_FILE = "ablation.json"


class _Written(TypedDict):
    """ablation.json."""

    rows: list[Row]


def write_tables(rows: Sequence[Row], folder: str) -> None:
    """Writes ablation.md, ablation.csv, ablation.svg and ablation.json."""

    def write(name: str, text: str) -> None:
        files.write_bytes(files.join(folder, name), text.encode())

    write("ablation.md", markdown(rows))
    write("ablation.csv", csv_text(rows))
    write("ablation.svg", svg.standalone(chart(rows)))
    # An object, not a list: it contains its checksum.
    content = {"rows": [dataclasses.asdict(row) for row in rows]}
    files.write_json(files.join(folder, JSON_FILE), content)


def read_rows(folder: str) -> list[Row]:
    """Reads ``ablation.json`` back.

    Raises:
        UserError: If the file is missing or not from an ablation.
    """
    path = files.join(folder, JSON_FILE)
    names = {field.name for field in dataclasses.fields(Row)}
    found = json_shapes.read(path, _Written, "run the ablation again")["rows"]
    rows = [Row(**{key: row[key] for key in row if key in names}) for row in found]
    if not rows or any(
        "All" not in row.maps or row.maps.keys() != rows[0].maps.keys() for row in rows
    ):
        raise UserError(
            f"{path}: expected rows with the same maps, All among them; run the ablation again"
        )
    return rows


def text_rows(rows: Sequence[Row]) -> list[list[str]]:
    """The table as strings, header first."""
    names = _part_names(rows)
    header = ["", *(f"mAP@100 {name.lower()}" for name in names), "95 %", "difference"]
    lines = [[*header, "95 %", "seconds"]]
    for row in rows:
        maps = [f"{row.maps[name]:.5f}" for name in names]
        gain = "" if row.difference is None else f"{row.difference:+.5f}"
        gain_interval = "" if row.difference_interval is None else _ends(row.difference_interval)
        seconds = f"{row.seconds:.2f}"
        lines.append([row.name, *maps, _ends(row.interval), gain, gain_interval, seconds])
    return lines


def markdown(rows: Sequence[Row]) -> str:
    """The table in Markdown, one part for steps in turn, one for steps left out."""
    header, *lines = text_rows(rows)
    notes = {
        True: "Each step switched on in turn; the difference is to the line above.",
        False: "Each step left out; the difference is to all steps together.",
    }
    text = []
    for in_turn in (True, False):
        chosen = [line for line, row in zip(lines, rows, strict=True) if row.in_turn == in_turn]
        rule = ["---", *("---:" for _ in header[1:])]
        table = [f"| {' | '.join(line)} |" for line in [header, rule, *chosen]]
        text += [notes[in_turn], "", *table, ""]
    return "\n".join(text)


def csv_text(rows: Sequence[Row]) -> str:
    """The table as CSV with plain numbers."""
    names = _part_names(rows)
    maps = [f"map@100_{name.lower()}" for name in names]
    ends = ["low", "high", "difference", "difference_low", "difference_high"]
    lines = []
    for row in rows:
        switched = "on in turn" if row.in_turn else "left out"
        values = [row.maps[name] for name in names]
        gain = "" if row.difference is None else row.difference
        gain_ends = row.difference_interval or ("", "")
        seconds = round(row.seconds, 3)
        lines.append([row.name, switched, *values, *row.interval, gain, *gain_ends, seconds])
    return csv_files.text(["variant", "switched", *maps, *ends, "seconds"], lines)


def chart(rows: Sequence[Row]) -> str:
    """Bars of mAP@100 with their intervals."""
    return bar_chart.bar_chart(
        [row.name for row in rows],
        [row.maps["All"] for row in rows],
        x_name="mAP@100, with 95 % interval",
        intervals=[row.interval for row in rows],
        digits=4,
    )


def _part_names(rows: Sequence[Row]) -> list[str]:
    return [name for name in ("Public", "Private", "All") if name in rows[0].maps]


def _ends(interval: Sequence[float]) -> str:
    return f"{interval[0]:.4f} to {interval[1]:.4f}"
