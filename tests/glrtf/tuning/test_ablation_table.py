import csv
import io
import xml.etree.ElementTree as ElementTree

import pytest

from glrtf.tuning import ablation_table
from glrtf.tuning.ablation import Row
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files

ROWS = [
    Row("direct similarity", True, {"Private": 0.25, "All": 0.25}, (0.2, 0.3), None, None, 1.5),
    Row("+ DBA", True, {"Private": 0.5, "All": 0.5}, (0.4, 0.6), 0.25, (0.1, 0.4), 2.25),
    Row("without DBA", False, {"Private": 0.25, "All": 0.25}, (0.2, 0.3), -0.25, (-0.4, -0.1), 1),
]


def test_markdown_has_a_table_for_each_way():
    text = ablation_table.markdown(ROWS)
    assert (
        "| + DBA | 0.50000 | 0.50000 | 0.4000 to 0.6000 | +0.25000 | 0.1000 to 0.4000 | 2.25 |"
        in text
    )
    in_turn, left_out = text.split("Each step left out")
    assert "| direct similarity |" in in_turn
    assert "| without DBA |" in left_out
    assert "without DBA" not in in_turn
    # The second part has its own header and rule.
    assert left_out.count("| --- |") == 1


def test_csv_has_plain_numbers():
    rows = list(csv.DictReader(io.StringIO(ablation_table.csv_text(ROWS))))
    assert rows[0] == {
        "variant": "direct similarity",
        "switched": "on in turn",
        "map@100_private": "0.25",
        "map@100_all": "0.25",
        "low": "0.2",
        "high": "0.3",
        "difference": "",
        "difference_low": "",
        "difference_high": "",
        "seconds": "1.5",
    }
    assert rows[2]["switched"] == "left out"
    assert float(rows[2]["difference_low"]) == -0.4


def test_bars_are_as_long_as_the_values():
    root = ElementTree.fromstring(ablation_table.chart(ROWS))
    widths = [float(node.get("width")) for node in root.iter("rect")]
    assert widths[1] == pytest.approx(2 * widths[0], abs=0.3)
    assert len([n for n in root.iter("path") if n.get("class") == "whisker"]) == 3


def test_written_and_read_back(tmp_path):
    ablation_table.write_tables(ROWS, str(tmp_path))
    rows = ablation_table.read_rows(str(tmp_path))
    assert [(row.name, row.maps, row.seconds) for row in rows] == [
        (row.name, row.maps, row.seconds) for row in ROWS
    ]
    assert ablation_table.text_rows(rows) == ablation_table.text_rows(ROWS)


def test_another_file(tmp_path):
    files.write_json(str(tmp_path / "ablation.json"), {"rows": [{"name": "x"}]})
    expected = r"expected rows\[0\]\.in_turn, found none; run the ablation again"
    with pytest.raises(UserError, match=expected):
        ablation_table.read_rows(str(tmp_path))
