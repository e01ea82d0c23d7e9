import dataclasses
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from photo_world import image_id
from PIL import Image
from shard_writing import photo
from tiny_models import EMBEDDING_SIZE, make_model

from glrtf.commands import search
from glrtf.commands.whiten import whiten
from glrtf.config.reranking import DbaConfig
from glrtf.config.retrieval import RetrieveConfig
from glrtf.config.search import SearchConfig
from glrtf.config.service import PhotoSearchConfig
from glrtf.config.whitening import WhitenConfig
from glrtf.embeddings.embedding_set import finish, write_part
from glrtf.inference import serving
from glrtf.service.photo_input import PhotoReader
from glrtf.service.searcher import open_searcher
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files


def config_for(world, tmp_path, **settings):
    given = {"photos": world.photos, "cache": str(tmp_path / "cache"), **world.searched}
    return PhotoSearchConfig(**{**given, **settings})


def answers_of(config):
    searcher = open_searcher(config)
    read = PhotoReader(EMBEDDING_SIZE)
    return searcher.search([read(Path(path).read_bytes()) for path in config.photos], config.limit)


def test_answers_are_those_of_a_retrieval_without_dba(world, tmp_path):
    expect_answers_of_retrieval(world, tmp_path, world.test, world.index, world.train)


def test_an_adapter_maps_photos_as_it_mapped_the_sets(world, tmp_path, capsys):
    out = tmp_path / "W"
    settings = {"query": [world.test], "index": [world.index], "landmarks": world.landmarks}
    whiten(WhitenConfig([world.train], str(out), **settings))
    sets = [str(out / role) for role in ("query", "index", "train")]
    expect_answers_of_retrieval(world, tmp_path, *sets, adapter=str(out))
    with pytest.raises(UserError, match=r"whitened; embed it .* or name the --adapter"):
        open_searcher(config_for(world, tmp_path, index=sets[1], train=sets[2]))
    with pytest.raises(UserError, match=r"expected a set embedded with .*, whitened"):
        open_searcher(config_for(world, tmp_path, adapter=str(out)))
    # Whitened rows are another model's; photos may be searched with as they are.
    expect_answers_of_retrieval(world, tmp_path, world.test, *sets[1:], asymmetric=True)
    with pytest.raises(UserError, match=r"--index .*: expected embeddings of the same model"):
        expect_answers_of_retrieval(world, tmp_path, world.test, *sets[1:])
    with pytest.raises(UserError, match=r"--train .*: expected embeddings of the same model"):
        expect_answers_of_retrieval(
            world, tmp_path, world.test, sets[1], world.train, asymmetric=True
        )
    with pytest.raises(ValueError, match="adapter: expected none with --asymmetric"):
        config_for(world, tmp_path, adapter=str(out), asymmetric=True)


def test_a_model_that_did_not_embed_the_sets_must_have_rows_of_their_length(world, tmp_path):
    short = str(tmp_path / "short")
    write_part(short, 0, 1, np.eye(2, 3, dtype=np.float32), [image_id(0), image_id(1)])
    finish(short, 1, model="teacher")
    config = config_for(world, tmp_path, index=short, train="", landmarks="", asymmetric=True)
    with pytest.raises(UserError, match=r"--model .*: expected rows of 3 numbers as those of"):
        open_searcher(config)


def expect_answers_of_retrieval(world, tmp_path, query, index, train, **searched):
    from glrtf.retrieval.pipeline import Pipeline
    from glrtf.retrieval.stage_cache import StageCache

    settings = RetrieveConfig(
        query=[query],
        index=[index],
        output=str(tmp_path),
        train=[train],
        landmarks=world.landmarks,
        dba=DbaConfig(rows="none"),
        asymmetric=searched.get("asymmetric", False),
    )
    pipeline = Pipeline(settings, StageCache(str(tmp_path / "stages")))
    ranking = pipeline.rank()
    ids = pipeline.inputs.index.ids
    config = config_for(world, tmp_path, limit=8, index=index, train=train, **searched)
    for row, answer in enumerate(answers_of(config)):
        assert [each.image_id for each in answer.photos] == [
            ids[image].decode() for image in ranking.images[row][:8]
        ]
        for name in ("final", "direct", "bridged"):
            found = [getattr(each, name) for each in answer.photos]
            np.testing.assert_allclose(found, getattr(ranking, name)[row][:8], atol=1e-5)
        bridges = [-1 if e.landmark_id is None else e.landmark_id for e in answer.photos]
        assert bridges == ranking.landmarks[row][:8].tolist()


def test_a_photo_of_the_index_is_found_and_its_landmark_named(world, tmp_path):
    for number, answer in enumerate(answers_of(config_for(world, tmp_path, limit=3))):
        assert len(answer.photos) == 3
        likest = max(answer.photos, key=lambda each: each.direct)
        assert likest.image_id == image_id(number)
        assert likest.direct == pytest.approx(1, abs=1e-5)
        assert likest.name == ("my first.jpg" if number == 0 else "")
        surest = answer.landmarks[0]
        assert surest.landmark_id == 100 + number % 4
        assert surest.name == (f"Tower <{surest.landmark_id}>" if number < 2 else "")


def test_train_photos_that_support_landmarks(world, tmp_path):
    """Of a photo's train neighbours those two of the landmark that are nearest, by brute force."""
    config = config_for(world, tmp_path, limit=8)
    searcher = open_searcher(config)
    train = np.concatenate([searcher.train.part(part)[0] for part in range(2)])
    index, _ = searcher.index.part(0)

    def nearest(row, landmark):
        scores = {n: float(train[n] @ row) for n in range(12) if 100 + n % 4 == landmark}
        return tuple(image_id(n) for n in sorted(scores, key=scores.get, reverse=True)[:2])

    for row, answer in zip(index, searcher.answer(np.array(index)), strict=True):
        assert len(answer.landmarks) == 4
        for each in answer.landmarks:
            assert each.train_photos == nearest(row, each.landmark_id)
        for each in answer.photos:
            its_row = index[int(each.image_id, 16)]
            assert each.train_photos == nearest(its_row, each.landmark_id)


def test_without_train_photos_similarity_alone(world, tmp_path):
    answers = answers_of(config_for(world, tmp_path, train="", landmarks=""))
    for number, answer in enumerate(answers):
        assert answer.landmarks == ()
        assert answer.photos[0].image_id == image_id(number)
        assert all(e.bridged == 0 and e.landmark_id is None for e in answer.photos)
        assert all(e.train_photos == () for e in answer.photos)


def test_annoy_answers_alike_and_keeps_its_trees(world, tmp_path):
    annoy = SearchConfig(backend="annoy", annoy_trees=20)
    # In so few rows Annoy misses none.
    exact = answers_of(config_for(world, tmp_path))
    assert answers_of(config_for(world, tmp_path, search=annoy)) == exact
    trees = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cache").glob("*.annoy")}
    assert len(trees) == 13  # of the 20 parts of train 12 hold one photo each; and the index
    assert answers_of(config_for(world, tmp_path, search=annoy)) == exact
    again = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cache").glob("*.annoy")}
    assert again == trees


def test_any_number_of_photos_is_embedded_without_a_new_trace(world, tmp_path):
    searcher = open_searcher(config_for(world, tmp_path), max_batch=11)
    # Four to a doubling, so that no more than a fourth of a batch is padding.
    assert searcher.model.lengths == [1, 2, 3, 4, 5, 6, 7, 8, 10, 11]
    searcher.model.warm()
    assert searcher.model.num_traces == 10
    read = PhotoReader(EMBEDDING_SIZE)
    pixels = [read(photo(number)) for number in range(15)]
    rows = searcher.model(pixels)
    one_by_one = np.concatenate([searcher.model([each]) for each in pixels])
    np.testing.assert_allclose(rows, one_by_one, atol=1e-6)
    assert searcher.model.num_traces == 10


def test_rotated_photos_are_turned_upright(world, tmp_path):
    searcher = open_searcher(config_for(world, tmp_path))
    stored = Image.open(io.BytesIO(photo(2))).transpose(Image.Transpose.ROTATE_90)
    tags = Image.Exif()
    tags[0x0112] = 6  # shown after a quarter turn clockwise, which undoes ROTATE_90
    buffer = io.BytesIO()
    stored.save(buffer, "JPEG", exif=tags.tobytes(), quality=98)
    read = PhotoReader(EMBEDDING_SIZE)
    rows = searcher.model([read(photo(2)), read(buffer.getvalue())])
    assert rows[0] @ rows[1] > 0.99


def test_command_prints_and_writes(world, tmp_path, capsys):
    first, second = world.photos[:2]
    flags = [f"--{name}={value}" for name, value in world.searched.items()]
    flags += ["--cache", str(tmp_path / "cache"), "--json", str(tmp_path / "a.json")]
    assert search.main([second, *flags, "--limit", "2", first]) == 0
    shown = capsys.readouterr().out
    assert "landmarks: 101 Tower <101> (" in shown and image_id(1) in shown
    answers = json.loads((tmp_path / "a.json").read_text())["answers"]
    assert [each["photo"] for each in answers] == [second, first]
    assert len(answers[0]["photos"]) == 2
    assert answers[1]["landmarks"][0]["train_photos"][0] == image_id(0)


def test_a_set_of_another_model_is_refused(world, tmp_path):
    serving.export(make_model(seed=1), EMBEDDING_SIZE, str(tmp_path / "other"), {})
    config = dataclasses.replace(config_for(world, tmp_path), model=str(tmp_path / "other"))
    with pytest.raises(search.UserError, match="expected a set embedded with") as refused:
        open_searcher(config)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["index", "train"])
def test_a_set_with_a_flipped_bit_is_refused(world, tmp_path, name):
    folder = tmp_path / "set"
    shutil.copytree(getattr(world, name), folder)
    answers_of(config_for(world, tmp_path, **{name: str(folder)}))
    path = next(folder.glob("embeddings-00000-*.npy"))
    data = bytearray(path.read_bytes())
    data[-4] ^= 1  # the least bit of a number
    path.write_bytes(data)
    with pytest.raises(search.UserError, match=f"{path.name}: changed since the set was made"):
        answers_of(config_for(world, tmp_path, **{name: str(folder)}))


@pytest.mark.parametrize("name", ["index", "train"])
@pytest.mark.parametrize(
    ("key", "value"), [("tta", ["plain"]), ("scales", [1.0, 2.0]), ("size", EMBEDDING_SIZE + 32)]
)
def test_a_set_of_other_views_scales_or_size_is_refused(world, tmp_path, name, key, value):
    folder = tmp_path / "set"
    shutil.copytree(getattr(world, name), folder)
    info = files.read_json(str(folder / "embedding_set.json"))
    info["meta"][key] = value
    files.write_json(str(folder / "embedding_set.json"), info)
    with pytest.raises(search.UserError, match="expected embeddings with") as refused:
        open_searcher(config_for(world, tmp_path, **{name: str(folder)}))
    assert str(folder) in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["{folder}/none.jpg"], "none.jpg: no such file"),
        (
            ["{folder}/metadata/train.csv"],
            "train.csv: expected a photo, found an unusable file: not an image",
        ),
        (["{folder}/1.jpg", "--train="], "train: expected --train and --landmarks together"),
        (
            ["{folder}/1.jpg", "--index", "{folder}"],
            "expected a folder with embedding_set.json, found",
        ),
        (["{folder}/1.jpg", "--search.backend", "beam"], "--search.backend: expected one of exact"),
        (["{folder}/1.jpg", "--limit", "101"], "--limit: expected 1 to 100, found 101"),
        (["{folder}/1.jpg", "--model="], "--model: expected a folder, found none"),
        (["{folder}/1.jpg", "--cache=", "--index=gs://b/i"], "--cache: expected a local folder"),
        ([], "missing PHOTOS"),
    ],
)
def test_mistakes_take_one_line(world, tmp_path, capsys, change, message):
    flags = [f"--{name}={value}" for name, value in world.searched.items()]
    given = [each.format(folder=world.folder) for each in change]
    assert search.main([*flags, "--cache", str(tmp_path), *given]) == 2
    [line] = [text for text in capsys.readouterr().err.splitlines() if "error" in text]
    assert message in line
