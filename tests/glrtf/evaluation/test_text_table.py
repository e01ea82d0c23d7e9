from glrtf.evaluation import text_table


def test_measures_become_lines():
    measures = {
        "Public": {"queries": 7, "map": 0.5, "interval": [0.25, 0.75]},
        "All": {"queries": 12, "map": None},
    }
    assert text_table.measure_table(measures).splitlines() == [
        "                      Public  All",
        "queries                    7   12",
        "map                  0.50000    -",
        "interval  [0.25000, 0.75000]    -",
    ]
