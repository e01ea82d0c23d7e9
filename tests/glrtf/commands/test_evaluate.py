import json

import numpy as np
import pytest

from glrtf.commands import evaluate


@pytest.fixture
def golden(tmp_path):
    """The golden case as files; the solution has an ignored query too."""
    (tmp_path / "submission.csv").write_text("id,images\nq2,x a\nq3,d\nq4,c d\nq5,a\n")
    (tmp_path / "solution.csv").write_text(
        "id,images,Usage\nq1,a b,Public\nq2,a,Private\nq3,c d e,Private\nq4,c,Public\n"
        "q5,None,Ignored\n"
    )
    return tmp_path


def run(folder, *arguments):
    files = [str(folder / "submission.csv"), str(folder / "solution.csv")]
    return evaluate.main([*files, *arguments])


def test_prints_and_writes_the_golden_values(golden, capsys):
    out = golden / "out.json"
    assert run(golden, "--json", str(out), "--per_query", str(golden / "per_query.csv")) == 0
    captured = capsys.readouterr()
    assert "0.45833" in captured.out
    assert "1 of 4 scored queries missing" in captured.err
    result = json.loads(out.read_text())
    assert result["task"] == "retrieval"
    assert result["measures"]["All"]["map@100"] == pytest.approx(0.458333, abs=1e-6)
    assert result["counts"] == {"missing": 1, "cut": 0, "repeats": 0, "ignored": 1, "unlike": 0}
    assert (golden / "per_query.csv").read_text().splitlines() == [
        "id,Usage,average_precision,first_hit_rank,relevant,hits",
        "q1,Public,0.000000,101,2,0",
        "q2,Private,0.500000,2,1,1",
        "q3,Private,0.333333,1,3,1",
        "q4,Public,1.000000,1,1,1",
    ]


def test_compare(golden, capsys):
    other = golden / "other.csv"
    other.write_text("id,images\nq1,a b\nq2,a\nq3,d\nq4,c\n")
    assert run(golden, "--compare", str(other), "--json", str(golden / "o.json")) == 0
    # q1 gains 1, q2 gains 1/2: 1.5 of 4 queries.
    result = json.loads((golden / "o.json").read_text())
    assert result["compare"][str(other)]["All"]["difference"] == pytest.approx(0.375)
    assert f"mAP@100 of {other} minus" in capsys.readouterr().out


def test_a_difference_whose_interval_holds_0_is_not_shown(golden, capsys):
    same = golden / "same.csv"
    same.write_text((golden / "submission.csv").read_text())
    assert run(golden, "--compare", str(same)) == 0
    assert "All: the interval contains 0: no significant difference" in capsys.readouterr().out
    assert run(golden, "--compare", str(same), "--resamples", "0") == 0
    assert "no significant difference" not in capsys.readouterr().out


def test_more_than_100_predictions_are_cut_and_reported(golden, capsys):
    names = " ".join(f"x{number}" for number in range(100))
    (golden / "submission.csv").write_text(f"id,images\nq2,{names} a\nq4,c\n")
    assert run(golden, "--json", str(golden / "o.json")) == 0
    assert (
        "1 of 4 scored queries with more than 100 predictions; the rest is cut"
        in capsys.readouterr().err
    )
    measures = json.loads((golden / "o.json").read_text())["measures"]
    assert measures["All"]["map@100"] == 0.25
    assert measures["Private"]["map@100"] == 0


def test_recognition(tmp_path, capsys):
    (tmp_path / "submission.csv").write_text("id,landmarks\n02,0 0.01\n03,1 10.0\n04,150 15\n")
    (tmp_path / "solution.csv").write_text(
        "id,landmarks,Usage\n01,0 12,Private\n02,100 200 300,Private\n03,1,Private\n"
        "04,,Private\n05,,Private\n"
    )
    assert run(tmp_path) == 0
    assert "0.16667" in capsys.readouterr().out


def test_windows_line_ends_and_repeated_predictions(golden, capsys):
    (golden / "submission.csv").write_bytes(b"id,images\r\nq2,x x a\r\nq4,c\r\n")
    assert run(golden, "--json", str(golden / "o.json")) == 0
    assert "1 predictions repeated; they are skipped and keep their rank" in capsys.readouterr().err
    # q2 finds a at rank 3, 1/3; q4 scores 1; q1 and q3 are missing.
    result = json.loads((golden / "o.json").read_text())
    assert result["measures"]["All"]["map@100"] == pytest.approx((1 / 3 + 1) / 4)


def index_csv(folder):
    (folder / "index.csv").write_text("id\na\nb\nc\nd\ne\n")
    return folder / "index.csv"


def index_set(folder):
    from glrtf.embeddings import embedding_set

    where = str(folder / "index")
    rows = np.eye(5, dtype=np.float32)
    embedding_set.write_part(where, 0, 1, rows, np.array(list("abcde"), "S16"))
    embedding_set.finish(where, 1, model="drawn", size=0)
    return where


@pytest.mark.parametrize("index", [index_csv, index_set])
def test_a_predicted_image_that_the_index_lacks(golden, capsys, index):
    where = index(golden)
    out = golden / "o.json"
    assert run(golden, "--index", str(where), "--json", str(out)) == 2
    captured = capsys.readouterr()
    assert "submission.csv, line 2: query q2 ranks 'x', which is not among the 5" in captured.err
    assert captured.err.count("\n") == 1
    assert not out.exists()
    (golden / "submission.csv").write_text("id,images\nq2,b a\nq3,d\nq4,c d\nq5,a\n")
    assert run(golden, "--index", str(where)) == 0
    assert "0.45833" in capsys.readouterr().out


def test_an_index_without_ids(golden, capsys):
    (golden / "index.csv").write_text("id\n")
    assert run(golden, "--index", str(golden / "index.csv")) == 2
    assert "expected the ids of the index images, found none" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rows", "note"),
    [
        ("q1,x y\nq2,x\nq3,y\nq4,z\n", "no predicted image is right; they may be"),
        ("q1,\nq2,\nq3,\nq4,\n", "no image is predicted for any scored query"),
    ],
)
def test_nothing_right_is_scored_and_reported(golden, capsys, rows, note):
    (golden / "submission.csv").write_text(f"id,images\n{rows}")
    assert run(golden, "--json", str(golden / "o.json")) == 0
    assert note in capsys.readouterr().err
    result = json.loads((golden / "o.json").read_text())
    assert result["measures"]["All"]["map@100"] == 0


@pytest.mark.parametrize(
    ("submission", "message"),
    [
        ("id,images\nq9,a\n", "query 'q9' is not in the solution"),
        ("id,images\nq2,a.jpg\n", "without .jpg"),
        ("id,images\nq2,a\nq2,a\n", "query q2 is repeated"),
        ("id,image\nq2,a\n", "expected the column 'images'"),
        ("", "found an empty file"),
        ("id,images\n", "found none of them and no other; the two files belong to different"),
        ("id,images\nq2.jpg,a\n", "found the file name 'q2.jpg'"),
        ("id,images\nq2,x,a\n", "line 2: expected 2 fields (id,images), found 3"),
        ("id,images\nq5,a\n", "found none of them and 1 ignored ones"),
    ],
)
def test_mistakes_are_one_line(golden, capsys, submission, message):
    (golden / "submission.csv").write_text(submission)
    out = golden / "o.json"
    assert run(golden, "--json", str(out)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert message in captured.err
    assert not out.exists()


def test_wrong_settings(golden, capsys):
    assert run(golden, "--resamples=-1") == 2
    assert "--resamples: expected 0 or more" in capsys.readouterr().err
    (golden / "solution.csv").write_text("id,landmarks,Usage\nq2,1,Public\n")
    assert run(golden, "--index", "x.csv") == 2
    assert "--index: expected retrieval files" in capsys.readouterr().err


def test_recognitions_are_compared(golden, capsys):
    solution = "id,landmarks,Usage\n" + "".join(f"q{n},{n % 3},Private\n" for n in range(12))
    (golden / "solution.csv").write_text(solution)
    first = [f"q{n},{n % 3 if n % 2 else 9} 0.{50 + n}\n" for n in range(12)]
    (golden / "submission.csv").write_text("id,landmarks\n" + "".join(first))
    other = golden / "other.csv"
    other.write_text("id,landmarks\n" + "".join(f"q{n},{n % 3} 0.5\n" for n in range(12)))
    assert run(golden, "--compare", str(other), "--json", str(golden / "o.json")) == 0
    values = json.loads((golden / "o.json").read_text())
    # The other predictions are all right.
    measures = values["measures"]["All"]
    assert values["compare"][str(other)]["All"]["difference"] == pytest.approx(1 - measures["gap"])
    low, high = measures["gap_interval"]
    assert low < measures["gap"] < high
    printed = capsys.readouterr().out
    assert f"GAP of {other} minus " in printed
    assert "contains 0" not in printed
    assert run(golden, "--resamples", "0") == 0
    assert "gap_interval" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("solution", "message"),
    [
        ("id,images,Usage\nq2,None,Ignored\n", "expected scored queries, found 1, all Ignored"),
        ("id,images,Usage\nq2,None,Public\n", "q2 has Usage Public but no relevant image"),
        ("id,images,Usage\nf1,a,Public\n", "the two files belong to different test sets"),
        ("id,images,Use\nq2,a,Public\n", "expected the column 'Usage'"),
    ],
)
def test_wrong_solutions_are_one_line(golden, capsys, solution, message):
    (golden / "solution.csv").write_text(solution)
    assert run(golden) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize(
    ("mangle", "score", "count", "example"),
    [
        # Ids as a list with commas: all but the last are lost, which is (1/2) / 2.
        (lambda ids: ", ".join(ids), 0.25, 1, "0000000000000001,"),
        (lambda ids: str(ids).replace('"', ""), 0, 2, "['0000000000000001',"),
        # A spreadsheet's numbers.
        (lambda ids: " ".join(i.lstrip("0") for i in ids), 0.25, 1, "1"),
        (lambda ids: " ".join(i.upper() for i in ids), 0.5, 1, "A000000000000002"),
        (lambda ids: " ".join(ids), 1, 0, ""),
    ],
)
def test_predictions_that_lost_their_form_are_counted(
    tmp_path, capsys, mangle, score, count, example
):
    ids = ["0000000000000001", "a000000000000002"]
    query = "0000000000000009"
    (tmp_path / "solution.csv").write_text(f"id,images,Usage\n{query},{' '.join(ids)},Private\n")
    (tmp_path / "submission.csv").write_text(f'id,images\n{query},"{mangle(ids)}"\n')
    assert run(tmp_path, "--json", str(tmp_path / "out.json")) == 0
    result = json.loads((tmp_path / "out.json").read_text())
    assert result["counts"]["unlike"] == count
    assert result["measures"]["All"]["map@100"] == pytest.approx(score)
    note = capsys.readouterr().err
    assert (f"{count} predictions look like no id of the solution, such as" in note) == bool(count)
    assert not count or f"{example!r}; it has ids of 16 digits 0-9 and a-f; write whole ids" in note


def test_a_query_that_lost_its_zeros(tmp_path, capsys):
    (tmp_path / "solution.csv").write_text("id,images,Usage\n0000000000000009,a,Private\n")
    (tmp_path / "submission.csv").write_text("id,images\n9,a\n")
    assert run(tmp_path) == 2
    assert "'0000000000000009' is: its leading zeros were lost" in capsys.readouterr().err


@pytest.fixture
def labelled(tmp_path):
    (tmp_path / "submission.csv").write_text("id,images\nq,a b c\nr,c b\n")
    (tmp_path / "labels.csv").write_text(
        "id,label\nq,tower\nr,bridge\na,tower\nb,bridge\nc,tower\n"
    )
    return tmp_path


def test_a_table_of_labels(labelled, capsys):
    arguments = [str(labelled / name) for name in ("submission.csv", "labels.csv")]
    out = {name: str(labelled / name) for name in ("json", "per_query", "per_label")}
    flags = [f"--{name}={path}" for name, path in out.items()]
    assert evaluate.main([*arguments, *flags, "--ranks", "1", "3"]) == 0
    captured = capsys.readouterr()
    assert (
        "note: no query is ranked: the index is taken to be the 3 labelled images" in captured.err
    )
    assert "mean of 2 labels" in captured.out and "ndcg@3" in captured.out
    result = json.loads((labelled / "json").read_text())
    # q finds two of two at 1 and 3, r its one at 2.
    assert result["task"] == "labels"
    assert result["measures"]["All"]["map"] == pytest.approx(((1 + 2 / 3) / 2 + 1 / 2) / 2)
    assert (labelled / "per_label").read_text().splitlines()[1].startswith("bridge,1,0.500000,")
    assert (labelled / "per_query").read_text().splitlines()[1].startswith("q,tower,2,3,0.833333,")
    other = labelled / "other.csv"
    other.write_text("id,images\nq,a c\nr,b\n")
    assert evaluate.main([*arguments, "--compare", str(other), "--resamples", "0"]) == 0
    # All first: q gains 1/6, r 1/2.
    line = next(one for one in capsys.readouterr().out.splitlines() if one.startswith("map "))
    assert line.split() == ["map", "0.66667", "-", "0.66667", "+0.33333"]


def test_two_tables_and_relevant_images(labelled, capsys):
    submission = str(labelled / "submission.csv")
    (labelled / "queries.csv").write_text("id,landmark_id\nq,7\nr,8\n")
    (labelled / "index.csv").write_text("landmark_id,images\n7,a c\n8,b\n")
    (labelled / "right.csv").write_text("id,images\nq,a c\nr,b\n")
    tables = [str(labelled / "queries.csv"), "--index_labels", str(labelled / "index.csv")]
    for arguments in (tables, [str(labelled / "right.csv")]):
        assert evaluate.main([submission, *arguments]) == 0
        assert "0.66667" in capsys.readouterr().out


def test_options_of_labels_alone(golden, labelled, capsys):
    tables = [str(labelled / "submission.csv"), str(labelled / "right.csv")]
    (labelled / "right.csv").write_text("id,images\nq,a c\n")
    assert evaluate.main([*tables, "--per_label", str(labelled / "x.csv")]) == 2
    assert "--per_label: expected labels, found relevant images" in capsys.readouterr().err
    assert run(golden, "--index_labels", str(labelled / "labels.csv")) == 2
    assert "--index_labels: expected labels, found a solution with" in capsys.readouterr().err
    assert run(golden, "--ranks", "0") == 2
    assert "ranks: expected 1 or more, found 0" in capsys.readouterr().err
