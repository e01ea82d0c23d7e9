import csv
import json
from pathlib import Path

import numpy as np
import pytest
from shard_writing import photo, write_split

from glrtf import embed, search
from glrtf.config.inference import EmbedConfig, PhotoSearchConfig
from glrtf.config.retrieval import DbaConfig, RetrieveConfig
from glrtf.embedding_set import EmbeddingSet
from glrtf.inference.embedders import load_embedder

QUERIES = 4


@pytest.fixture(scope="module")
def world(saved_model, tmp_path_factory):
    """Sets of one model: train photos 0..11 of four landmarks, index 0..7, queries 0..3."""
    folder = tmp_path_factory.mktemp("world")
    sets = {}
    for split, lengths in (("train", (5, 7)), ("index", (8,)), ("test", (QUERIES,))):
        write_split(folder / split, lengths, split, num_classes=4)
        output = str(folder / f"{split}_set")
        embed.embed(EmbedConfig(saved_model, str(folder), output, split=split, batch_size=4))
        sets[split] = output
    with open(folder / "train.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "url", "landmark_id"])
        writer.writerows([f"{n:016x}", "", 100 + n % 4] for n in range(12))
    for number in range(QUERIES):
        (folder / f"{number}.jpg").write_bytes(photo(number))
    return folder, sets


def config_for(world, saved_model, **settings):
    folder, sets = world
    given = {
        "photos": tuple(str(folder / f"{n}.jpg") for n in range(QUERIES)),
        "model": saved_model,
        "index": sets["index"],
        "train": sets["train"],
        "landmarks": str(folder / "train.csv"),
        "limit": 8,
    }
    return PhotoSearchConfig(**{**given, **settings})


def answers_of(config):
    photos = [Path(path).read_bytes() for path in config.photos]
    opened = search.open_search(config)
    return opened.answer(opened.embed(photos, config.photos), config.limit)


def test_answers_are_those_of_a_retrieval_without_dba(world, saved_model, tmp_path):
    from glrtf.retrieval.pipeline import Pipeline
    from glrtf.retrieval.stage_cache import StageCache

    folder, sets = world
    pipeline = Pipeline(
        RetrieveConfig(
            query=[sets["test"]],
            index=[sets["index"]],
            output=str(tmp_path),
            train=[sets["train"]],
            landmarks=str(folder / "train.csv"),
            dba=DbaConfig(rows="none"),
        ),
        StageCache(str(tmp_path / "cache")),
    )
    ranking = pipeline.rank()
    ids = pipeline.inputs.index.ids
    for row, answer in enumerate(answers_of(config_for(world, saved_model))):
        assert [each.image_id for each in answer.images] == [
            ids[image].decode() for image in ranking.images[row][:8]
        ]
        for name in ("final", "direct", "bridged"):
            found = [getattr(each, name) for each in answer.images]
            np.testing.assert_allclose(found, getattr(ranking, name)[row][:8], atol=1e-5)
        bridges = [-1 if e.landmark_id is None else e.landmark_id for e in answer.images]
        assert bridges == ranking.landmarks[row][:8].tolist()


def test_a_photo_of_the_index_is_found_and_its_landmark_named(world, saved_model):
    for number, answer in enumerate(answers_of(config_for(world, saved_model, limit=3))):
        assert len(answer.images) == 3
        likest = max(answer.images, key=lambda each: each.direct)
        assert likest.image_id == f"{number:016x}"
        assert likest.direct == pytest.approx(1, abs=1e-5)
        assert answer.landmarks[0][0] == 100 + number % 4


def test_without_train_photos_likeness_alone(world, saved_model):
    for number, answer in enumerate(
        answers_of(config_for(world, saved_model, train="", landmarks=""))
    ):
        assert answer.landmarks == []
        assert answer.images[0].image_id == f"{number:016x}"
        assert all(each.bridged == 0 and each.landmark_id is None for each in answer.images)


def test_command_prints_and_writes(world, saved_model, tmp_path, capsys):
    folder, sets = world
    photo_path = str(folder / "1.jpg")
    flags = ["--model", saved_model, "--index", sets["index"], "--train", sets["train"]]
    flags += ["--landmarks", str(folder / "train.csv"), "--json", str(tmp_path / "a.json")]
    assert search.main([photo_path, *flags, "--limit", "2"]) == 0
    shown = capsys.readouterr().out
    assert "landmarks: 101 (" in shown and f"{1:016x}" in shown
    written = json.loads((tmp_path / "a.json").read_text())
    assert len(written[photo_path]["images"]) == 2


def test_rotated_photos_are_turned_upright(world, saved_model, tmp_path):
    import io

    from PIL import Image

    opened = search.open_search(config_for(world, saved_model))
    stored = Image.open(io.BytesIO(photo(2))).transpose(Image.Transpose.ROTATE_90)
    tags = Image.Exif()
    tags[0x0112] = 6  # shown after a quarter turn clockwise, which undoes ROTATE_90
    buffer = io.BytesIO()
    stored.save(buffer, "JPEG", exif=tags.tobytes(), quality=98)
    rows = opened.embed([photo(2), buffer.getvalue()], ["plain", "turned"])
    assert rows[0] @ rows[1] > 0.99


def test_a_set_of_another_model_is_refused(world, workdir):
    _, sets = world
    with pytest.raises(search.UserError, match="expected a set embedded with"):
        search.PhotoSearch(load_embedder(workdir), EmbeddingSet.open(sets["index"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["{folder}/none.jpg"], "none.jpg: no such file"),
        (["{folder}/train.csv"], "train.csv: expected a photo, found a file that is not an image"),
        (["{folder}/1.jpg", "--train="], "train: expected --train and --landmarks together"),
        (["{folder}/1.jpg", "--index", "{folder}"], "expected an embedding set, found no"),
        ([], "photos: expected at least one, found none"),
    ],
)
def test_mistakes_take_one_line(world, saved_model, capsys, change, message):
    folder, sets = world
    flags = ["--model", saved_model, "--index", sets["index"], "--train", sets["train"]]
    flags += ["--landmarks", str(folder / "train.csv")]
    photos = [c.format(folder=folder) for c in change if not c.startswith("-")]
    split = 1 if photos else 0
    given = [change[i].format(folder=folder) for i in range(split, len(change))]
    assert search.main([*photos[:1], *flags, *given]) == 2
    [line] = [text for text in capsys.readouterr().err.splitlines() if "error" in text]
    assert message in line
