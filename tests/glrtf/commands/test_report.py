import contextlib
import json
import os
import re
import sys
import types

import pytest
import retrieval_files as rf
from PIL import Image
from tuning_files import write_inputs

from glrtf.commands import report


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
    assert image == [rf.B, "r", 0.125, 0.0, 0.5, 7, 1]
    for image_id in (rf.A, rf.QUERY_IDS[3], rf.TRAIN[0]):
        path = material / "report" / "thumbnails-192" / image_id[:2] / f"{image_id}.jpg"
        assert path.is_file()


def test_nothing_is_fetched_from_elsewhere(material):
    assert run(material) == 0
    html, _ = page_data(material)
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", html)
    assert "@import" not in html


def test_missing_and_broken_photos_are_listed_on_the_page(material):
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


def test_no_path_is_built_from_what_is_no_id(material):
    """Ids come from CSV files: one that is a path neither reads nor writes elsewhere."""
    outside = material / "outside"
    outside.mkdir()
    (outside / "photo.jpg").write_bytes(rf.jpeg(64, 32, (9, 9, 9)))
    path = f"../..{outside}/photo"
    lines = ["id,images", *(f"{q},{path}" for q in rf.QUERY_IDS), ""]
    (material / "s.csv").write_text("\n".join(lines))
    assert run(material, retrieval=material / "s.csv") == 0
    html, data = page_data(material)
    assert data["queries"][0]["strip"] == path
    thumbnails = material / "report" / "thumbnails-192"
    assert not os.path.exists(os.path.normpath(f"{thumbnails}/../{path}.jpg"))
    # Photos of queries, relevant images and train photos; the path is one of the missing ones.
    assert "2 of 9 photos are not in the source" in html


def test_a_bare_submission_and_a_baseline(material):
    bare = material / "retrieval" / "submission.csv"
    assert run(material, f"--baseline={bare}", retrieval=bare) == 0
    html, data = page_data(material)
    assert "carries no evidence" in html
    assert "Most gained" in html
    assert data["queries"][0]["gain"] == 0


@pytest.fixture
def drawn(tmp_path):
    """A retrieval that glrtf retrieve made from embedding sets, without any photo."""
    from glrtf.commands import retrieve

    flags = write_inputs(tmp_path)
    assert retrieve.main([*flags, "--output", str(tmp_path / "retrieval")]) == 0
    (tmp_path / "source").mkdir()
    return tmp_path


def run_drawn(folder, *more, method="none"):
    settings = [f"--train_csv={folder / 'train.csv'}", f"--map={method}", *more]
    return run(folder, *settings, solution=folder / "solution.csv")


def test_bridges_show_the_train_photos_most_like_either_end(drawn):
    assert run_drawn(drawn) == 0
    script = (drawn / "report" / "data" / "queries-0000.js").read_text()
    details = json.loads(re.fullmatch(r"glrtf\.receive\(0, (.*)\);\n", script, re.S)[1])
    landmarks = dict(line.split(",")[::2] for line in (drawn / "train.csv").read_text().split()[1:])
    assert details["near"]
    for pair, photos in details["near"].items():
        assert 1 <= len(photos) <= 3
        assert {landmarks[photo] for photo in photos} == {pair.split()[1]}


def test_a_baseline_is_compared_as_evaluate_compares(drawn, capsys):
    from glrtf.commands import evaluate, retrieve

    inputs = [
        f"--{role}={drawn / split}" for role, split in (("query", "test"), ("index", "index"))
    ]
    assert retrieve.main([*inputs, "--preset=direct", f"--output={drawn / 'direct'}"]) == 0
    assert run_drawn(drawn, f"--baseline={drawn / 'direct'}") == 0
    html, _ = page_data(drawn)
    compared = ["--compare", str(drawn / "retrieval"), "--json", str(drawn / "scores.json")]
    assert evaluate.main([str(drawn / "direct"), str(drawn / "solution.csv"), *compared]) == 0
    [found] = json.loads((drawn / "scores.json").read_text())["compare"].values()
    found = found["All"]
    low, high = found["interval"]
    shown = f"{found['difference']:+.4f}" if low > 0 or high < 0 else "not shown"
    card = html[html.index("Bridging gains") :][:400]
    assert f"<b>{shown}</b>" in card
    assert f"95 % {low:+.4f} to {high:+.4f}" in card
    assert f"{found['better']} queries better, {found['worse']} worse" in card
    # Without a baseline the gain from bridging is not reported.
    assert run_drawn(drawn) == 0
    html, _ = page_data(drawn)
    assert "Bridging gains" not in html and "helped by bridging" not in html


def test_the_map_is_found_from_any_folder(tmp_path, monkeypatch, capsys):
    """Sets that were named by relative paths, seen from elsewhere and after a move."""
    from glrtf.commands import retrieve

    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    write_inputs(tmp_path / "work")
    sets = ["--query=test", "--index=index", "--train=train", "--landmarks=train.csv"]
    assert retrieve.main([*sets, "--output=retrieval"]) == 0
    parameters = json.loads((tmp_path / "work/retrieval/retrieval.json").read_text())["parameters"]
    assert parameters["index"] == [str(tmp_path / "work/index")]
    assert parameters["landmarks"] == str(tmp_path / "work/train.csv")
    (tmp_path / "work/source").mkdir()
    monkeypatch.chdir(tmp_path)
    assert run_drawn(tmp_path / "work", method="pca") == 0
    assert page_data(tmp_path / "work")[1]["map"]
    (tmp_path / "work").rename(tmp_path / "moved")
    assert run_drawn(tmp_path / "moved", method="pca") == 0
    assert page_data(tmp_path / "moved")[1]["map"]
    assert "cannot be shown" not in capsys.readouterr().err


def test_map_of_embeddings(drawn, capsys):
    assert run_drawn(drawn, method="pca") == 0
    html, data = page_data(drawn)
    assert "is in the source: expected *.tar or a/b/c/ID.jpg" in capsys.readouterr().err
    assert "on a plane (PCA)" in html
    # All 32 queries and 48 index photos of 8 landmarks.
    assert len(data["map"]["ids"]) == len(data["map"]["x"]) == 80
    assert sum(data["map"]["query"]) == 32
    assert len(set(data["map"]["group"])) == 8
    assert run_drawn(drawn) == 0
    assert page_data(drawn)[1]["map"] is None


def test_embedding_sets_that_are_gone(drawn, capsys):
    (drawn / "train" / "embedding_set.json").unlink()
    assert run_drawn(drawn, method="pca") == 0
    html, data = page_data(drawn)
    assert "The train embeddings of the retrieval cannot be shown" in html
    assert data["map"] is not None
    # A set that is named must be there.
    assert run_drawn(drawn, "--train", str(drawn / "train")) == 2
    assert "embedding_set.json" in capsys.readouterr().err


def test_ablation_on_the_page(drawn, capsys):
    from glrtf.commands import ablate

    where = ["--output", str(drawn / "ablation"), "--solution", str(drawn / "solution.csv")]
    inputs = ["--query", str(drawn / "test"), "--index", str(drawn / "index")]
    assert ablate.main([*inputs, *where, "--preset", "direct_dba"]) == 0
    assert run_drawn(drawn, f"--ablation={drawn / 'ablation'}") == 0
    html, _ = page_data(drawn)
    assert '<section id="ablation"' in html
    assert "<td>without DBA</td>" in html
    assert run_drawn(drawn, f"--ablation={drawn}") == 2
    assert "ablation.json: no such file" in capsys.readouterr().err


def test_bridging_is_named_when_compared_with_a_direct_retrieval(drawn):
    from glrtf.commands import retrieve

    inputs = ["--query", str(drawn / "test"), "--index", str(drawn / "index")]
    direct = str(drawn / "direct")
    assert retrieve.main([*inputs, "--output", direct, "--preset", "direct"]) == 0
    assert run_drawn(drawn, f"--baseline={direct}") == 0
    html, _ = page_data(drawn)
    assert "Most helped by bridging" in html
    assert "compared with that in direct" in html


def test_projector_files_fit_each_other(drawn):
    folder = drawn / "projector"
    assert run_drawn(drawn, f"--projector={folder}", method="pca") == 0
    tensors = [line.split("\t") for line in (folder / "tensors.tsv").read_text().splitlines()]
    header, *labels = [
        line.split("\t") for line in (folder / "metadata.tsv").read_text().splitlines()
    ]
    assert header == ["id", "kind", "landmark"]
    assert len(tensors) == len(labels) == 80
    assert {len(row) for row in tensors} == {12}
    assert [kind for _, kind, _ in labels] == ["query"] * 32 + ["index"] * 48
    # A row is that of its id in the embedding set.
    from glrtf.embeddings.rows_by_id import RowsById

    rows = RowsById.open([str(drawn / "index")]).rows([labels[-1][0]])
    assert [float(value) for value in tensors[-1]] == pytest.approx(rows[0].tolist(), abs=1e-5)
    # 80 small pictures lie on a grid of 9 x 9.
    assert Image.open(folder / "sprite.jpg").size == (9 * 48, 9 * 48)
    assert 'tensor_path: "tensors.tsv"' in (folder / "projector_config.pbtxt").read_text()


def test_projector_without_a_map(drawn, capsys):
    assert run_drawn(drawn, f"--projector={drawn / 'projector'}") == 2
    assert "--projector: expected embedding sets" in capsys.readouterr().err
    assert not (drawn / "report").exists()


def test_wandb_gets_measures_and_report(material, monkeypatch):
    run_of = types.SimpleNamespace(summary={}, logged=[])
    run_of.log_artifact = run_of.logged.append

    class Artifact(list):
        def __init__(self, name, type):
            super().__init__([name, type])

        def add_dir(self, folder):
            self.append(folder)

    @contextlib.contextmanager
    def init(project, name, config):
        run_of.arguments = (project, name, config)
        yield run_of

    monkeypatch.setitem(sys.modules, "wandb", types.SimpleNamespace(init=init, Artifact=Artifact))
    assert run(material, "--wandb=landmarks") == 0
    assert run_of.arguments[:2] == ("landmarks", "retrieval")
    assert run_of.summary["all/map@100"] == pytest.approx((5 / 9 + 1 / 6 + 1) / 3)
    assert run_of.logged == [["report-retrieval", "report", str(material / "report")]]


def test_wandb_that_is_not_installed(material, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert run(material, "--wandb=landmarks") == 2
    assert "--wandb needs wandb, which is not installed" in capsys.readouterr().err
    assert not (material / "report").exists()


def test_fewer_queries_than_there_are(material):
    assert run(material, "--max_queries=2") == 0
    html, data = page_data(material)
    assert len(data["queries"]) == 2
    assert "2 of the solution&#39;s 4 queries" in html


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": "none"}, "none: no such folder"),
        ({"retrieval": "none"}, "expected what glrtf retrieve wrote"),
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
