import json
import re

import pytest
import retrieval_files as rf

from glrtf import report


@pytest.fixture
def material(tmp_path):
    rf.write_retrieval(tmp_path / "retrieval")
    rf.write_source(tmp_path / "source")
    return tmp_path


def run(folder, *more, **changes):
    settings = {
        "retrieval": folder / "retrieval",
        "solution": folder / "source" / "metadata" / "solution.csv",
        "source": folder / "source",
        "output": folder / "report",
    } | changes
    return report.main([*(f"--{name}={value}" for name, value in settings.items()), *more])


def page_data(folder):
    html = (folder / "report" / "index.html").read_text()
    found = re.search(r'id="report">(.*?)</script>', html, re.S)
    return html, json.loads(found[1])


def test_the_page_and_what_it_loads(material, capsys):
    assert run(material) == 0
    assert capsys.readouterr().out.strip() == str(material / "report" / "index.html")
    html, data = page_data(material)
    assert [query["id"] for query in data["queries"]] == rf.QUERY_IDS
    assert data["queries"][0]["marks"] == "rwr"
    assert data["queries"][0]["bridged"] == "001"
    # (5/9 + 1/6 + 1) / 3 of the three scored queries.
    assert f"{(5 / 9 + 1 / 6 + 1) / 3:.4f}" in html
    assert data["landmarks"] == {"7": "Arc de Triomphe"}
    script = (material / "report" / "data" / "queries-0000.js").read_text()
    details = json.loads(re.fullmatch(r"glrtf\.receive\(0, (.*)\);\n", script, re.S)[1])
    assert details["train"] == {"7": rf.TRAIN[:2], "8": rf.TRAIN[2:]}
    image = details["queries"][rf.QUERY_IDS[0]]["images"][2]
    assert image == [rf.B, "r", 0.125, 0.0, 0.5, 7]
    for image_id in (rf.A, rf.QUERY_IDS[3], rf.TRAIN[0]):
        path = material / "report" / "thumbnails-192" / image_id[:2] / f"{image_id}.jpg"
        assert path.is_file()


def test_nothing_is_fetched_from_elsewhere(material):
    assert run(material) == 0
    html, _ = page_data(material)
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", html)
    assert "@import" not in html


def test_missing_and_broken_photos_are_told_on_the_page(material):
    assert run(material) == 0
    html, _ = page_data(material)
    # c is in no tar, d is a web page.
    assert "1 of 13 photos are not in the source" in html
    assert f"1 photos could not be decoded, such as {rf.D}" in html


def test_a_second_run_gives_the_same_bytes(material):
    assert run(material) == 0
    first = {p: p.read_bytes() for p in (material / "report").rglob("*") if p.is_file()}
    assert run(material) == 0
    assert first == {p: p.read_bytes() for p in (material / "report").rglob("*") if p.is_file()}


def test_ids_cannot_end_the_script(material):
    evil = "</script><b>"
    lines = ["id,images", *(f"{q},{evil}" for q in rf.QUERY_IDS), ""]
    (material / "s.csv").write_text("\n".join(lines))
    assert run(material, retrieval=material / "s.csv") == 0
    html, data = page_data(material)
    assert data["queries"][0]["strip"] == evil
    assert evil not in html


def test_a_bare_submission_and_a_baseline(material):
    bare = material / "retrieval" / "submission.csv"
    assert run(material, f"--baseline={bare}", retrieval=bare) == 0
    html, data = page_data(material)
    assert "carries no evidence" in html
    assert "Most gained" in html
    assert data["queries"][0]["gain"] == 0


def test_fewer_queries_than_there_are(material):
    assert run(material, "--max_queries=2") == 0
    html, data = page_data(material)
    assert len(data["queries"]) == 2
    assert "2 of the solution&#39;s 4 queries" in html


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": "none"}, "none: no such folder"),
        ({"retrieval": "none"}, "expected what glrtf.retrieve wrote"),
        ({"solution": "none.csv"}, "none.csv: no such file"),
        ({"train_csv": "none.csv"}, "--train_csv none.csv: no such file"),
        ({"max_ranks": 101}, "--max_ranks: expected at most 100, found 101"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(material, capsys, changes, message):
    assert run(material, **changes) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert not (material / "report").exists()
