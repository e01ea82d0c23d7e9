"""Bundles: sealed, moved, opened by search, serve, retrieve and report."""

import csv
import json
import os
import shutil

import numpy as np
import pytest
import yaml
from bundle_world import TEST, id_of, make_bundle_world

import glrtf
from glrtf.commands import bundle, recognize, retrieve, search, whiten
from glrtf.embeddings.adapter import load as load_adapter
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.service.photo_input import PhotoReader

pytest.importorskip("onnxruntime", reason="pip install '.[onnx]'")
pytest.importorskip("onnx", reason="pip install '.[onnx]'")

NO_DBA = "preset: fifth_place\ndba:\n  rows: none\nlandmark:\n  per_landmark: 3\n"


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    return make_bundle_world(tmp_path_factory.mktemp("material"))


@pytest.fixture(scope="module")
def best(material):
    """What glrtf tune leaves."""
    path = material.folder / "best.yaml"
    path.write_text(NO_DBA)
    return str(path)


@pytest.fixture(scope="module")
def sealed(material, best, tmp_path_factory):
    """A bundle of both models with votes, moved after it was made."""
    folder = tmp_path_factory.mktemp("sealed")
    flags = [*material.flags(), "--votes", "1", "2", "--ranking", best]
    assert bundle.main([*flags, "--output", str(folder / "made")]) == 0
    os.rename(folder / "made", folder / "moved")
    return str(folder / "moved")


def searched(folder, photos, tmp_path, *flags):
    """Photo -> the answer of glrtf search."""
    path = str(tmp_path / "answers.json")
    assert search.main([*photos, "--bundle", folder, "--limit", "100", "--json", path, *flags]) == 0
    with open(path) as file:
        return [answer["photos"] for answer in json.load(file)["answers"]]


def retrieved(tmp_path, *flags):
    """Ids and final confidences of glrtf retrieve, one row a query."""
    out = tmp_path / "retrieved"
    assert retrieve.main([*flags, "--output", str(out)]) == 0
    with np.load(out / "evidence.npz") as evidence:
        order = np.argsort(evidence["query_ids"])
        return evidence["index_ids"][order], evidence["final"][order], out


def expect_the_same(answers, ids, final):
    assert len(answers) == len(ids) == TEST
    for answer, expected, scores in zip(answers, ids, final, strict=True):
        kept = [one.decode() for one in expected if one]
        assert [each["image_id"] for each in answer] == kept
        found = [each["final"] for each in answer]
        np.testing.assert_allclose(found, scores[: len(kept)], atol=1e-6)


def test_photos_get_what_retrieve_gives_them(material, sealed, best, tmp_path, capsys):
    answers = searched(sealed, material.photos, tmp_path)
    assert "Tower 1" in capsys.readouterr().out
    query = ["--query", *material.sets("test")]
    ids, final, _ = retrieved(tmp_path, "--bundle", sealed, *query)
    expect_the_same(answers, ids, final)
    # And that is what was measured with the sets that it was made of.
    plain = [*query, *material.flags()[3:], "--votes", "1", "2", "--config", best]
    measured, _, _ = retrieved(tmp_path / "plain", *plain)
    np.testing.assert_array_equal(measured, ids)


def test_recognize_finds_the_landmarks_that_search_shows(material, sealed, tmp_path, capsys):
    path = str(tmp_path / "answers.json")
    assert search.main([*material.photos, "--bundle", sealed, "--json", path]) == 0
    with open(path) as file:
        expected = [answer["landmarks"][0] for answer in json.load(file)["answers"]]
    out = tmp_path / "recognized.csv"
    flags = ["--bundle", sealed, "--output", str(out), "--least", "0"]
    assert recognize.main([*flags, "--query", *material.sets("test")]) == 0
    with open(out, newline="") as file:
        found = {line["id"]: line["landmarks"].split() for line in csv.DictReader(file)}
    for number, first in enumerate(expected):
        landmark, confidence = found[id_of("test", number)]
        assert int(landmark) == first["landmark_id"]
        shown = first["confidence"] if first["probability"] is None else first["probability"]
        assert float(confidence) == pytest.approx(shown, abs=1e-5)
    assert recognize.main([*flags, "--query", material.sets("test")[0]]) == 2
    assert "expected 2 embedding sets as of --bundle, found 1" in capsys.readouterr().err
    with pytest.raises(ValueError, match="votes: expected none with --bundle"):
        glrtf.RecognizeConfig(query=["q"], output="o", bundle=sealed, votes=[1.0])


def test_serve_and_python_answer_alike(material, sealed, tmp_path):
    from fastapi.testclient import TestClient

    from glrtf.config.service import ServeConfig
    from glrtf.service.app import make_app
    from glrtf.service.searcher import open_searcher

    expected = searched(sealed, material.photos[:1], tmp_path)[0]
    with open(material.photos[0], "rb") as file:
        data = file.read()
    config = ServeConfig(bundle=sealed)
    with TestClient(make_app(open_searcher(config), {}, config), "http://localhost") as client:
        answer = client.post("/search?limit=100", files={"photo": data}).json()
        health = client.get("/healthz").json()
    opened = glrtf.open_bundle(sealed)
    [in_python] = opened.search([data])
    for photos in (answer["photos"], in_python.as_json()["photos"]):
        assert [each["image_id"] for each in photos] == [each["image_id"] for each in expected]
    assert health["index_photos"] == len(opened.index_ids) == 14
    rows = opened.embed([material.photos[0], data])
    assert rows.shape == (2, 14) and opened.dimension == 14
    np.testing.assert_array_equal(rows[0], rows[1])
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-12)


@pytest.mark.parametrize("mapped", [False, True], ids=["rows", "mapped sets"])
def test_an_adapter_of_several_models(material, best, tmp_path, mapped):
    out = tmp_path / "W"
    names = [t for role in ("train", "index") for t in (f"--{role}", *material.sets(role))]
    names += ["--query", *material.sets("test"), "--landmarks", material.landmarks]
    assert whiten.main([*names, "--votes", "2", "1", "--output", str(out)]) == 0
    flags = material.flags()
    query = material.sets("test")
    if mapped:
        sets = ["--index", str(out / "index"), "--train", str(out / "train")]
        flags = [*flags[:3], *sets, "--landmarks", material.landmarks]
        query = [str(out / "query")]
        joined = EmbeddingSet.open(out / "index").meta["joined"]
        assert [one["tta"] for one in joined] == [["plain", "hflip"], ["plain"]]
        assert [one["size"] for one in joined] == [32, 24]
    folder = str(tmp_path / "bundle")
    assert bundle.main([*flags, "--adapter", str(out), "--ranking", best, "--output", folder]) == 0
    shutil.rmtree(out if not mapped else out / "index")
    ids, final, _ = retrieved(tmp_path, "--bundle", folder, "--query", *query)
    expect_the_same(searched(folder, material.photos, tmp_path), ids, final)


def test_an_adapter_in_python(material, tmp_path):
    out = str(tmp_path / "W")
    names = ["--train", *material.sets("train", 0), "--landmarks", material.landmarks]
    assert whiten.main([*names, "--output", out]) == 0
    plain = glrtf.load_embedder(material.models[0]).embed(material.photos)
    mapped = glrtf.load_embedder(material.models[0], adapter=out)
    np.testing.assert_array_equal(mapped.embed(material.photos), load_adapter(out).apply(plain))
    assert mapped.dimension == 8
    with pytest.raises(glrtf.UserError, match="on which the adapter was fitted"):
        glrtf.load_embedder(material.models[1], adapter=out)


def test_a_set_without_digest_must_name_the_model(material, tmp_path, capsys):
    [index] = map(EmbeddingSet.open, material.sets("index", 0))
    rows, model = index.part(0)[0], material.models[0]

    def searched_in(name, **meta):
        glrtf.write_set(tmp_path / name, rows, index.ids, **meta)
        flags = ["--model", model, "--index", str(tmp_path / name)]
        return search.main([material.photos[0], *flags]), capsys.readouterr().err

    code, error = searched_in("named", model=model)
    assert code == 0 and "records no digest of its model, nor its preparation and tta" in error
    known = {name: index.meta[name] for name in ("preparation", "tta")}
    code, error = searched_in("known", model=model, **known)
    assert code == 0 and "records no digest of its model; it is taken to match" in error
    other = {**known, "preparation": {**known["preparation"], "size": 40}}
    code, error = searched_in("other", model=model, **other)
    assert code == 2 and "size 32, found 40" in error
    assert searched_in("unnamed", model="mine")[0] == 2


def test_a_running_server_takes_over_another_bundle(material, tmp_path):
    from glrtf.config.service import ServeConfig
    from glrtf.service.live_searcher import LiveSearcher
    from glrtf.service.searcher import open_searcher

    folder = str(tmp_path / "b")

    def make(*flags):
        assert bundle.main([*flags, "--output", folder]) == 0

    make(*material.flags(), "--preset", "direct")
    config = ServeConfig(bundle=folder)
    live = LiveSearcher(config, lambda: open_searcher(config))
    reader = PhotoReader(live.model.specs)
    with open(material.photos[0], "rb") as file:
        photo = reader(file.read())
    before = live.search([photo])
    assert not live.renew()
    make(*material.flags(), "--preset", "direct", "--votes", "1", "9")
    assert live.renew() and live.search([photo]) != before
    make(*material.flags(1), "--preset", "direct")
    with pytest.raises(glrtf.UserError, match="start glrtf serve again"):
        live.renew()
    assert len(live.search([photo])[0].photos) == 14


def test_from_the_folder_of_a_retrieval(material, tmp_path, capsys):
    """Settings, sets, tables and the penalty by the test photos without a landmark."""
    solution = tmp_path / "recognition.csv"
    lines = [f"{id_of('test', n)},{'' if n < 2 else 100}," for n in range(TEST)]
    solution.write_text("\n".join(["id,landmarks,Usage", *lines, ""]))
    flags = ["--query", *material.sets("test", 0), *material.flags(0)[2:], "--dba.rows=none"]
    flags += ["--non_landmark_solution", str(solution), "--fusion.direct_power=2"]
    ids, final, out = retrieved(tmp_path, *flags)
    folder = str(tmp_path / "bundle")
    made = ["--model", material.models[0], "--ranking", str(out), "--output", folder, "--link"]
    assert bundle.main(made) == 0
    assert os.stat(f"{folder}/models/0/net.onnx").st_nlink == 2
    with open(f"{folder}/tables/non_landmark_scores.csv") as file:
        assert len(list(csv.DictReader(file))) == 24
    expect_the_same(searched(folder, material.photos, tmp_path), ids, final)
    again, _, _ = retrieved(
        tmp_path / "b", "--bundle", folder, "--query", *material.sets("test", 0)
    )
    np.testing.assert_array_equal(again, ids)


def test_the_same_command_writes_the_same_bytes(material, sealed, best, tmp_path):
    flags = [*material.flags(), "--votes", "1", "2", "--ranking", best]
    for _ in range(2):  # The second time it replaces the first.
        assert bundle.main([*flags, "--output", str(tmp_path / "b")]) == 0
    with open(f"{sealed}/bundle.json") as one, open(tmp_path / "b" / "bundle.json") as other:
        assert one.read() == other.read()
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_what_needs_a_whole_test_set_is_named(material, tmp_path, capsys):
    folder = str(tmp_path / "b")
    assert bundle.main([*material.flags(0), "--output", folder]) == 0
    assert "averaged with index rows only" in capsys.readouterr().err
    searched(folder, material.photos[:1], tmp_path)
    assert "note: dba.rows: a photo's row is averaged" in capsys.readouterr().err
    ranking = tmp_path / "k.yaml"
    ranking.write_text("rerank: {method: k_reciprocal}\n")
    flags = [*material.flags(0), "--ranking", str(ranking), "--output", folder]
    assert bundle.main(flags) == 0
    assert "search and serve will refuse this bundle" in capsys.readouterr().err
    assert search.main([material.photos[0], "--bundle", folder]) == 2
    assert "expected one of none, diffusion, superglobal" in capsys.readouterr().err
    retrieved(tmp_path, "--bundle", folder, "--query", *material.sets("test", 0))


@pytest.mark.parametrize(
    "name",
    [
        "models/0/net.onnx",
        "index/1/embeddings-00000-of-00001.npy",
        "train/0/embedding_set.json",
        "tables/train.csv",
        "bundle.json",
    ],
)
def test_a_changed_file_is_one_line(material, sealed, tmp_path, capsys, name):
    folder = shutil.copytree(sealed, tmp_path / "b")
    path = folder / name
    data = bytearray(path.read_bytes())
    data[-3 if name != "bundle.json" else data.index(b'"per_landmark": 3') + 16] ^= 1
    path.write_bytes(data)
    for flags in ([material.photos[0]], []):
        command = search if flags else retrieve
        more = flags or ["--query", *material.sets("test"), "--output", str(tmp_path / "o")]
        assert command.main([*more, "--bundle", str(folder)]) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert (name.rpartition("/")[2] in line and "changed" in line) or "damaged" in line
    path.unlink()
    assert search.main([material.photos[0], "--bundle", str(folder)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_paths_out_of_the_bundle_are_refused(sealed, material, tmp_path, capsys):
    folder = shutil.copytree(sealed, tmp_path / "b")
    info = json.loads((folder / "bundle.json").read_text())
    info.pop("json_crc32c")
    info["landmarks"] = "../train.csv"
    (folder / "bundle.json").write_text(json.dumps(info))
    assert search.main([material.photos[0], "--bundle", str(folder)]) == 2
    assert "expected paths below the bundle, found '../train.csv'" in capsys.readouterr().err


def swapped(world, tmp_path):
    return ["--model", *world.models[::-1], *world.flags()[3:]]


def another_adapter(world, tmp_path):
    names = ["--train", *world.sets("train", 1), "--landmarks", world.landmarks]
    assert whiten.main([*names, "--output", str(tmp_path / "W")]) == 0
    return [*world.flags(0), "--adapter", str(tmp_path / "W")]


def a_folder(world, tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine.txt").write_text("mine")
    return world.flags(0)


def a_workdir(world, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text("backbone: v2s\n")
    return ["--model", str(tmp_path / "run"), *world.flags(0)[2:]]


def wrong_settings(world, tmp_path):
    (tmp_path / "r.yaml").write_text(yaml.safe_dump({"fusion": {"direct_kk": 3}}))
    return [*world.flags(0), "--ranking", str(tmp_path / "r.yaml")]


MISTAKES = {
    "models in another order": (swapped, "expected rows of 8 numbers as in"),
    "an adapter of another model": (another_adapter, "on which the adapter was fitted"),
    "another folder": (a_folder, "expected a new folder or a bundle, found another folder"),
    "a workdir": (a_workdir, "run glrtf export --workdir"),
    "a wrong setting": (wrong_settings, "direct_kk"),
    "no train set": (
        lambda world, _: [*world.flags(0)[:4], "--preset", "fifth_place"],
        "--train: preset fifth_place needs the train images' embedding sets",
    ),
    "one model too few": (
        lambda world, _: ["--model", world.models[0], *world.flags()[3:]],
        "--model: expected 2 models, one for each set of --index, found 1",
    ),
    "a function": (
        lambda world, _: ["--model", "json:loads", *world.flags(0)[2:]],
        "a function, whose code a bundle cannot hold",
    ),
    "no ranking": (
        lambda world, _: [*world.flags(0), "--ranking", str(world.folder)],
        "expected best.yaml, another settings file of glrtf retrieve",
    ),
    "votes for other models": (
        lambda world, _: [*world.flags(), "--votes", "1"],
        "--votes: expected one positive number",
    ),
}


@pytest.mark.parametrize(("flags", "message"), MISTAKES.values(), ids=MISTAKES)
def test_parts_that_do_not_belong_together(material, tmp_path, capsys, flags, message):
    given = flags(material, tmp_path)
    capsys.readouterr()
    assert bundle.main([*given, "--output", str(tmp_path / "b")]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert message in line
    assert not (tmp_path / "b" / "bundle.json").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--bundle={bundle}", "--index=x"], "--index: expected none with --bundle"),
        (["--bundle={bundle}", "--tta=plain"], "--tta: expected none with --bundle"),
        (["--bundle={folder}"], "expected a folder with bundle.json"),
        (["--bundle={bundle}", "--search.backend=beam"], "expected one of exact"),
    ],
)
def test_flags_that_a_bundle_has(material, sealed, capsys, flags, message):
    given = [each.format(bundle=sealed, folder=material.folder) for each in flags]
    assert search.main([material.photos[0], *given]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert message in line
    query = ["--query", *material.sets("test"), "--output", "o", "--bundle", sealed]
    assert retrieve.main([*query, "--fusion.direct_k=3"]) == 2
    assert "--fusion: expected none with --bundle" in capsys.readouterr().err
