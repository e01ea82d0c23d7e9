import xml.etree.ElementTree as ElementTree

import pytest

from glrtf.charts import svg
from glrtf.charts.bar_chart import bar_chart


def test_lengths_are_in_proportion_and_values_are_written():
    chart = bar_chart(["a & b", "c"], [0.2, 0.4], x_name="mAP")
    root = ElementTree.fromstring(chart)
    widths = [float(node.get("width")) for node in root.iter("rect")]
    assert widths[1] == pytest.approx(2 * widths[0], abs=0.2)
    texts = [node.text for node in root.iter("text")]
    assert {"a & b", "c", "0.200", "0.400"} <= set(texts)


def test_whiskers_and_negative_values():
    chart = bar_chart(["a"], [-0.1], x_name="gain", intervals=[(-0.2, 0.3)])
    root = ElementTree.fromstring(chart)
    whisker = next(node for node in root.iter("path") if node.get("class") == "whisker")
    start, end = (float(n) for n in whisker.get("d").split("M")[1].replace("H", " ").split()[::2])
    assert start < end
    bar = next(root.iter("rect"))
    # The bar ends at 0, which lies between the whisker's ends.
    zero = float(bar.get("x")) + float(bar.get("width"))
    assert start < zero < end


def test_a_chart_as_a_file():
    root = ElementTree.fromstring(svg.standalone(bar_chart(["a"], [1.0], x_name="x")))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
