import xml.etree.ElementTree as ElementTree

import pytest

from glrtf.charts import svg
from glrtf.charts.svg import Series


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (1, 100, [20, 40, 60, 80, 100]), (0, 33, [0, 10, 20, 30])],
)
def test_ticks_are_round(low, high, expected):
    assert svg.ticks(low, high) == pytest.approx(expected)


def test_scale():
    scale = svg.Scale(0, 2, 100, 200)
    assert [scale(0), scale(1), scale(2)] == [100, 150, 200]


def test_line_chart_is_well_formed_and_names_its_series():
    chart = svg.line_chart(
        [Series("a<b", [1, 2, 3], [0, 0.5, 1]), Series("c", [1, 2, 3], [1, 1, 1])],
        x_name="rank",
        y_name="share",
    )
    root = ElementTree.fromstring(chart)
    paths = [node.get("d") for node in root.iter("path") if "series" in node.get("class")]
    assert len(paths) == 2
    assert paths[0].count("L") == 2
    texts = [node for node in root.iter("text") if "label" in (node.get("class") or "")]
    assert [node.text for node in texts] == ["a<b", "c"]
    # Both end at 1; their names must not cover each other.
    assert abs(float(texts[0].get("y")) - float(texts[1].get("y"))) >= 16


def test_histogram_heights_are_in_proportion():
    chart = svg.histogram([0, 1, 2], [Series("n", [0, 1], [2, 4])], x_name="x", y_name="count")
    root = ElementTree.fromstring(chart)
    heights = [float(node.get("height")) for node in root.iter("rect")]
    assert heights[1] == pytest.approx(2 * heights[0], rel=0.01)


def test_nothing_but_zeros_can_be_drawn():
    ElementTree.fromstring(
        svg.histogram([0, 1], [Series("n", [0], [0])], x_name="x", y_name="count")
    )


def test_names_of_several_series_lie_above_all_bars():
    counts = [Series("right", [0, 1], [0.1, 0.9]), Series("wrong", [0, 1], [0.9, 0.2])]
    root = ElementTree.fromstring(svg.histogram([0, 1, 2], counts, x_name="x", y_name="share"))
    legend, bars = [], []
    for node in root.iter("rect"):
        (legend if node.find("title") is None else bars).append(node)
    names = [node.text for node in root.iter("text")][-2:]
    assert names == ["right", "wrong"]
    lowest = max(float(node.get("y")) + float(node.get("height")) for node in legend)
    assert lowest <= min(float(node.get("y")) for node in bars)
    assert float(legend[1].get("x")) - float(legend[0].get("x")) >= 100
