import math

import pytest

from tfrecords_tools import csv_rows


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        (" 42 ", 42),
        ("007", 7),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", None),
        ("9" * 5000, None),
        ("1_0", None),
        ("\u0664\u0662", None),
        ("\u00b2", None),
        ("+1", None),
        ("-1", None),
        ("1.0", None),
        ("", None),
    ],
)
def test_whole_numbers(text, number):
    assert csv_rows.whole_number(text) == number


@pytest.mark.parametrize(("text", "number"), [("0.5", 0.5), ("-1e3", -1000.0), (" 2 ", 2.0)])
def test_real_numbers(text, number):
    assert csv_rows.real_number(text) == number


@pytest.mark.parametrize("text", ["", "1_0", "half", "1,5"])
def test_no_real_numbers(text):
    assert math.isnan(csv_rows.real_number(text))


def test_long_fields():
    long = "x" * 200_000
    assert list(csv_rows.reader([f"{long},1"])) == [[long, "1"]]
    assert list(csv_rows.dict_reader(["a,b", f"{long},1", "2"])) == [
        {"a": long, "b": "1"},
        {"a": "2", "b": ""},
    ]
