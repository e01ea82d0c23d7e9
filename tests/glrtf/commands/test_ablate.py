import csv
import json

import pytest
from tuning_files import write_inputs

from glrtf.commands import ablate, evaluate, retrieve
from glrtf.tuning import ablation_table


@pytest.fixture
def flags(tmp_path):
    solution = str(tmp_path / "solution.csv")
    return [*write_inputs(tmp_path), "--solution", solution, "--output", str(tmp_path / "out")]


def rows_of(folder):
    with open(folder / "ablation.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_every_way_of_telling_it(flags, tmp_path, capsys):
    assert ablate.main(flags) == 0
    out = tmp_path / "out"
    assert (out / "ablation.md").read_text().strip() == capsys.readouterr().out.strip()
    rows = rows_of(out)
    in_turn = [row["variant"] for row in rows if row["switched"] == "on in turn"]
    # No non-landmark images are given, so their penalty is no step.
    assert in_turn == [
        "direct similarity",
        "+ DBA",
        "+ bridging",
        "+ several neighbours a landmark",
        "+ several landmarks an image",
        "+ bonus of the best landmark",
        "+ powers in the fusion",
    ]
    assert len(rows) == 7 + 6
    values = [float(row["map@100_all"]) for row in rows]
    for before, row, value in zip(values, rows[1:7], values[1:7], strict=False):
        assert float(row["difference"]) == pytest.approx(value - before)
    for row, value in zip(rows[7:], values[7:], strict=True):
        assert float(row["difference"]) == pytest.approx(value - values[6])
        assert float(row["low"]) <= value <= float(row["high"])
        assert float(row["seconds"]) >= 0
    # Leaving out the last step is what stood before it was switched on.
    assert values[-1] == values[5]
    assert [row.name for row in ablation_table.read_rows(str(out))][:7] == in_turn
    assert (out / "ablation.svg").read_text().startswith("<svg")


@pytest.mark.parametrize("preset", ["direct", "fifth_place"])
def test_ends_agree_with_retrieve_and_evaluate(flags, tmp_path, preset):
    assert ablate.main(flags) == 0
    rows = rows_of(tmp_path / "out")
    row = rows[0] if preset == "direct" else rows[6]
    ranked = str(tmp_path / "ranked")
    inputs = flags[: flags.index("--solution")]
    assert retrieve.main([*inputs, "--output", ranked, "--preset", preset]) == 0
    result = tmp_path / "result.json"
    solution = str(tmp_path / "solution.csv")
    assert evaluate.main([ranked, solution, "--json", str(result), "--resamples", "0"]) == 0
    measures = json.loads(result.read_text())["measures"]
    for part, values in measures.items():
        assert float(row[f"map@100_{part.lower()}"]) == pytest.approx(values["map@100"])


def test_a_second_run_finds_the_searches_and_reports_their_seconds(flags, tmp_path):
    assert ablate.main(flags) == 0
    first = rows_of(tmp_path / "out")
    seconds = (tmp_path / "out" / "cache" / "seconds.json").read_text()
    assert ablate.main(flags) == 0
    assert (tmp_path / "out" / "cache" / "seconds.json").read_text() == seconds
    second = rows_of(tmp_path / "out")
    for row in (*first, *second):
        row.pop("seconds")
    assert first == second


def test_mistakes_are_one_line(flags, tmp_path, capsys):
    assert ablate.main([*flags, "--preset", "direct"]) == 2
    assert "expected steps to switch off" in capsys.readouterr().err
    assert ablate.main([*flags, "--resamples", "0"]) == 2
    assert "--resamples: expected 1 or more" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_steps_beyond_the_original_are_named_where_they_are_used(flags, tmp_path):
    more = ["--query_expansion.n", "2", "--label_vote_weight", "0.3", "--rerank.method"]
    assert ablate.main([*flags, *more, "k_reciprocal", "--rerank.k1", "6"]) == 0
    names = {row["variant"] for row in rows_of(tmp_path / "out")}
    for step in ("query expansion", "re-ranking", "label votes"):
        assert {f"+ {step}", f"without {step}"} <= names
