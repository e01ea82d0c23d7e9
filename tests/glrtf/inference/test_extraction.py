import csv
import functools
import io
import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from shard_writing import describe_again, photo, record, write_shard, write_split

from glrtf.commands import embed
from glrtf.config.descriptor import DescriptorConfig
from glrtf.config.inference import EmbedConfig
from glrtf.data.shards import open_shards
from glrtf.embeddings import adapter as adapters
from glrtf.embeddings import embedding_set
from glrtf.inference import extraction, shard_rows, tensorflow_runner
from glrtf.inference.embedders import load_embedder
from glrtf.inference.jobs import Job
from tfrecords_tools import example, schema
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files

SIZE = 32
LENGTHS = (5, 1, 7)


def row_by_hand(model, number):
    """Plain and mirrored photo through the model, one image at a time."""
    pixels = tf.cast(tf.io.decode_jpeg(photo(number), channels=3), tf.float32)
    image = np.round(tf.image.resize(pixels, [SIZE, SIZE]).numpy()).astype(np.float32) / 255
    views = [model(view[None], training=False).numpy()[0] for view in (image, image[:, ::-1])]
    total = sum(view / np.linalg.norm(view) for view in views)
    return total / np.linalg.norm(total)


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def config_for(saved_model, data, output, **settings):
    return EmbedConfig(
        saved_model, str(data), str(output), batch_size=4, strategy="cpu", **settings
    )


def quick_config(data, output, **settings):
    """Settings for a model that loads at once, where only the files of a run matter."""
    size = DescriptorConfig(size=SIZE)
    return config_for("tiny_descriptors:embed", data, output, descriptor=size, **settings)


def test_rows_are_those_of_one_image_at_a_time(saved_model, model, tmp_path):
    write_split(tmp_path / "data" / "test", LENGTHS, split="test")
    done = embed.embed(config_for(saved_model, tmp_path / "data", tmp_path / "set")).set
    assert done.part_lengths == LENGTHS
    assert done.ids.tolist() == [f"{n:016x}".encode() for n in range(13)]
    rows = np.concatenate([done.part(i)[0] for i in range(3)])
    np.testing.assert_allclose(rows, [row_by_hand(model, n) for n in range(13)], atol=2e-6)
    assert done.meta["tta"] == ["plain", "hflip"]
    assert done.meta["num_rejected"] == 0


def test_plain_view_alone_and_float16(saved_model, tmp_path):
    write_split(tmp_path / "test", [3], split="test")
    settings = {"tta": ("plain",), "dtype": "float16"}
    done = embed.embed(config_for(saved_model, tmp_path, tmp_path / "set", **settings)).set
    rows, _ = done.part(0)
    assert rows.dtype == np.float16
    images = tf.stack([tf.io.decode_jpeg(photo(n), channels=3) for n in range(3)])
    expected = tf.saved_model.load(saved_model).signatures["images"](images=images)["embedding"]
    np.testing.assert_allclose(rows, expected, atol=1e-3)


class Killed(BaseException):
    pass


@pytest.mark.parametrize(("after", "quick"), [(0, True), (1, False), (2, True)])
def test_a_killed_run_goes_on_to_the_same_bytes(saved_model, tmp_path, monkeypatch, after, quick):
    settings_of = quick_config if quick else functools.partial(config_for, saved_model)
    data = write_split(tmp_path / "data", LENGTHS, split="test")
    embed.embed(settings_of(data, tmp_path / "whole"))
    real = embedding_set.write_part
    written = []

    def write_then_die(folder, part, *rest, **options):
        if len(written) == after:
            raise Killed
        written.append(part)
        return real(folder, part, *rest, **options)

    config = settings_of(data, tmp_path / "killed")
    monkeypatch.setattr(embedding_set, "write_part", write_then_die)
    with pytest.raises(Killed):
        embed.embed(config)
    monkeypatch.setattr(embedding_set, "write_part", real)
    embedded = []
    real_shards = shard_rows.embed_shards
    monkeypatch.setattr(
        shard_rows, "embed_shards", lambda *a: embedded.append(a[1]) or real_shards(*a)
    )
    embed.embed(config)
    assert len(embedded) == len(LENGTHS) - after
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_corrupt_images_are_listed_and_leave_no_row(tmp_path):
    data = write_split(tmp_path / "data", [4, 2], split="test")
    broken = schema.encode_example(b"not a photo", "00000000deadbeef", -1, -1, 1, 1)
    rows = [record(0, -1), broken, record(2, -1), record(3, -1)]
    write_shard(data / "test-00000-of-00002.tfrecord", rows)
    describe_again(data)
    done = embed.embed(quick_config(data, tmp_path / "set")).set
    assert done.part_lengths == (3, 2)
    assert [int(i, 16) for i in done.ids] == [0, 2, 3, 4, 5]
    assert done.meta["num_rejected"] == 1
    with open(tmp_path / "set" / "rejects-00000-of-00002.csv") as file:
        assert list(csv.reader(file)) == [
            ["image_id", "position", "reason"],
            ["00000000deadbeef", "1", "not a JPEG or PNG image"],
        ]
    strict = quick_config(data, tmp_path / "strict", max_bad_records=0)
    with pytest.raises(UserError, match=r"record 1 \(image 00000000deadbeef\) is broken"):
        embed.embed(strict)


def kaggle_record(number, image_id):
    return example.encode({"image": photo(number), "image_name": image_id.encode(), "target": 0})


def test_long_ids_of_records_are_kept_whole(tmp_path):
    """Cut to 16 characters, ids would be those of other images, or come twice."""
    (tmp_path / "data").mkdir()
    ids = ["ISIC_000000000000001", "ISIC_000000000000002", "a b, caf\xe9", "x/" * 127 + "x"]
    records = [kaggle_record(n, i) for n, i in enumerate(ids)]
    write_shard(tmp_path / "data" / "train00-4.tfrec", records)
    embed.embed(quick_config(tmp_path / "data", tmp_path / "set"))
    opened = embedding_set.EmbeddingSet.open(tmp_path / "set")
    assert [one.decode() for one in opened.ids] == ids


def test_an_adapter_maps_the_rows_and_gives_the_set_its_name(tmp_path):
    data = write_split(tmp_path / "data", [3, 2], split="test")
    [plain] = embed.embed(quick_config(data, tmp_path / "plain")).sets
    draw = np.random.default_rng(0)
    weight = draw.normal(size=(plain.dimension, 5)).astype(np.float32)
    models = adapters.model_names([plain.meta])
    layers = ((weight, np.ones(5, np.float32)),)
    made = adapters.Adapter(layers, models, (1.0,), "adapted", adapters.digest_of(layers))
    adapters.save(str(tmp_path / "A"), made)
    named = quick_config(data, tmp_path / "set", adapter=str(tmp_path / "A"))
    [done] = embed.embed(named).sets
    rows = np.arange(5)
    np.testing.assert_allclose(done.take(rows), made.apply(plain.take(rows)), atol=1e-6)
    assert {name: done.meta[name] for name in ("model", "model_digest")} == made.meta([plain.meta])
    assert done.meta["size"] == plain.meta["size"]


@pytest.mark.parametrize("bad", ["x" * 256, " a", "", "a\nb", "a\0"])
def test_an_id_that_a_set_cannot_hold_stops_at_its_record(tmp_path, bad):
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "train00-3.tfrec"
    write_shard(path, [kaggle_record(n, i) for n, i in enumerate(["ok", bad, "fine"])])
    with pytest.raises(UserError, match=r"expected image ids of 1 to 255") as refusal:
        embed.embed(quick_config(tmp_path / "data", tmp_path / "set"))
    assert str(path) in str(refusal.value) and repr(bad[:9])[:-1] in str(refusal.value)
    assert not list((tmp_path / "set").glob("ids-*"))


@pytest.mark.parametrize(
    "damage", [lambda d: d[: len(d) // 2], lambda d: b"", lambda d: d[:40] + b"?" + d[41:]]
)
def test_a_damaged_shard_stops_and_once_restored_is_embedded(tmp_path, damage):
    data = write_split(tmp_path / "data", LENGTHS, split="test")
    embed.embed(quick_config(data, tmp_path / "whole"))
    path = data / "test-00002-of-00003.tfrecord"
    sound = path.read_bytes()
    path.write_bytes(damage(sound))
    with pytest.raises(UserError, match=r"test-00002-of-00003\.tfrecord: expected"):
        embed.embed(quick_config(data, tmp_path / "set"))
    assert not list((tmp_path / "set").glob("embedding_set.json"))
    path.write_bytes(sound)
    embed.embed(quick_config(data, tmp_path / "set"))
    assert contents(tmp_path / "set") == contents(tmp_path / "whole")


def test_a_shard_that_is_read_wrong_once_is_read_again(tmp_path, monkeypatch, capsys):
    data = write_split(tmp_path / "data", LENGTHS, split="test")
    embed.embed(quick_config(data, tmp_path / "whole"))
    opened = []
    real = files.open_read

    def altered_at_first(path):
        if path.endswith("test-00002-of-00003.tfrecord"):
            opened.append(path)
            if len(opened) == 1:
                content = bytearray(Path(path).read_bytes())
                content[40] ^= 1
                return io.BytesIO(bytes(content))
        return real(path)

    monkeypatch.setattr(files, "open_read", altered_at_first)
    embed.embed(quick_config(data, tmp_path / "set"))
    assert "it is read once more" in capsys.readouterr().err
    assert contents(tmp_path / "set") == contents(tmp_path / "whole")


def test_shards_built_otherwise_are_not_taken_for_those_of_the_rows(tmp_path):
    data = write_split(tmp_path / "data", [2, 2], split="test")
    embed.embed(quick_config(data, tmp_path / "set"))
    before = contents(tmp_path / "set")
    # As many records under the same names, of other photos.
    rows = [schema.encode_example(photo(9 + n), f"{n:016x}", -1, -1, 24, 40) for n in range(2)]
    write_shard(data / "test-00000-of-00002.tfrecord", rows)
    describe_again(data)
    with pytest.raises(UserError, match=r"the shard test-00000-of-00002\.tfrecord of 2 recor"):
        embed.embed(quick_config(data, tmp_path / "set"))
    assert contents(tmp_path / "set") == before


def test_rows_of_public_shards_that_changed_are_embedded_again(tmp_path):
    """The digests of such shards are unknown before they are read."""
    (tmp_path / "data").mkdir()
    for shard in range(2):
        rows = [kaggle_record(2 * shard + n, f"{shard}{n}") for n in range(2)]
        write_shard(tmp_path / "data" / f"train0{shard}-2.tfrec", rows)
    embed.embed(quick_config(tmp_path / "data", tmp_path / "set"))
    (tmp_path / "set" / "embedding_set.json").unlink()
    rows = [kaggle_record(9 - n, f"0{n}") for n in range(2)]
    write_shard(tmp_path / "data" / "train00-2.tfrec", rows)
    embed.embed(quick_config(tmp_path / "data", tmp_path / "set"))
    embed.embed(quick_config(tmp_path / "data", tmp_path / "other"))
    assert contents(tmp_path / "set") == contents(tmp_path / "other")


@pytest.mark.parametrize("name", ["embeddings-00001-of-00003.npy", "ids-00000-of-00003.npy"])
def test_rows_that_changed_since_they_were_embedded_are_not_sealed(tmp_path, name):
    data = write_split(tmp_path / "data", LENGTHS, split="test")
    embed.embed(quick_config(data, tmp_path / "set"))
    before = contents(tmp_path / "set")
    (tmp_path / "set" / "embedding_set.json").unlink()
    path = tmp_path / "set" / name
    changed = np.load(path)[::-1]
    if len(changed) == 1:
        changed = -changed
    np.save(path, changed)
    with pytest.raises(UserError, match=f"{name}: changed since it was embedded; delete it"):
        embed.embed(quick_config(data, tmp_path / "set"))
    assert not (tmp_path / "set" / "embedding_set.json").exists()
    path.unlink()
    embed.embed(quick_config(data, tmp_path / "set"))
    assert contents(tmp_path / "set") == before


def test_a_part_without_a_receipt_is_embedded_again(tmp_path):
    """An earlier version wrote none, and did not compare what it resumed over."""
    data = write_split(tmp_path / "data", LENGTHS, split="test")
    embed.embed(quick_config(data, tmp_path / "set"))
    before = contents(tmp_path / "set")
    (tmp_path / "set" / "receipt-00000-of-00003.json").unlink()
    path = tmp_path / "set" / "embeddings-00000-of-00003.npy"
    np.save(path, np.load(path)[::-1])
    embed.embed(quick_config(data, tmp_path / "set"))
    assert contents(tmp_path / "set") == before


def test_a_set_of_other_settings_is_not_continued(tmp_path):
    data = write_split(tmp_path / "data", [2], split="test")
    embed.embed(quick_config(data, tmp_path / "set"))
    before = contents(tmp_path / "set")
    with pytest.raises(UserError, match=r"to continue an embedding with tta \['plain'\], found"):
        embed.embed(quick_config(data, tmp_path / "set", tta=("plain",)))
    assert contents(tmp_path / "set") == before


def test_a_model_that_gives_nan_stops_with_the_image(saved_model, tmp_path):
    data = write_split(tmp_path / "data", [3], split="test")
    sound = load_embedder(saved_model)

    def nan_for_the_second(images):
        rows = sound.embed(images)
        return tf.where(tf.range(tf.shape(rows)[0])[:, None] == 1, float("nan"), rows)

    from dataclasses import replace

    embedder = replace(sound, embed=nan_for_the_second)
    strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    runner = tensorflow_runner.BatchRunner(embedder, ("plain",), 4, strategy)
    with pytest.raises(UserError, match="0000000000000001"):
        extraction.embed_split(
            [Job(embedder, runner, str(tmp_path / "set"))],
            open_shards(str(data), "test"),
            views=("plain",),
        )


def test_two_replicas_give_the_rows_of_one(saved_model, tmp_path):
    data = write_split(tmp_path / "data", LENGTHS, split="test")
    shard_set = open_shards(str(data), "test")
    rows = []
    for name, strategy in (
        ("one", tf.distribute.OneDeviceStrategy("/cpu:0")),
        ("two", tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])),
    ):
        with strategy.scope():
            embedder = load_embedder(saved_model)
        runner = tensorflow_runner.BatchRunner(embedder, ("plain", "hflip"), 2, strategy)
        job = Job(embedder, runner, str(tmp_path / name))
        [done] = extraction.embed_split([job], shard_set, views=("plain", "hflip"))
        rows.append(np.concatenate([done.part(i)[0] for i in range(3)]))
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-6)


def test_tasks_share_the_parts_and_the_last_finishes(tmp_path):
    data = write_split(tmp_path / "data", LENGTHS, split="test")
    embed.embed(quick_config(data, tmp_path / "whole"))
    tasks = [
        quick_config(data, tmp_path / "shared", task_index=task, num_tasks=2) for task in (1, 0)
    ]
    assert not embed.embed(tasks[0]).sets
    assert sorted(p.name for p in (tmp_path / "shared").glob("embeddings-*")) == [
        "embeddings-00001-of-00003.npy"
    ]
    assert len(embed.embed(tasks[1]).sets) == 1
    assert contents(tmp_path / "shared") == contents(tmp_path / "whole")


def test_two_models_in_one_pass_are_two_passes(saved_model, other_model, tmp_path):
    data = write_split(tmp_path / "data", [3, 2], split="test")
    embed.embed(config_for(saved_model, data, tmp_path / "one"))
    embed.embed(config_for(other_model, data, tmp_path / "two"))
    both = f"{other_model}={tmp_path / 'second'}"
    embed.embed(config_for(saved_model, data, tmp_path / "first", also=(both,)))
    assert contents(tmp_path / "first") == contents(tmp_path / "one")
    assert contents(tmp_path / "second") == contents(tmp_path / "two")


def test_workdir_in_place_of_an_export(workdir, tmp_path):
    data = write_split(tmp_path / "data", [2], split="test")
    done = embed.embed(config_for(workdir, data, tmp_path / "set")).set
    assert (done.num_rows, done.dimension) == (2, 512)


def test_the_command_prints_what_it_wrote(saved_model, tmp_path, capsys):
    data = write_split(tmp_path / "data", [2, 1], split="index")
    arguments = ["--model", saved_model, "--data", str(data), "--output", str(tmp_path / "set")]
    assert embed.main([*arguments, "--split=index", "--tta", "plain", "--strategy=cpu"]) == 0
    assert "3 rows of 16 in 2 parts, 0 images without a row" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tta", "hflip", "hflip"], "tta: expected some of plain, hflip, each once"),
        (["--batch-size", "0"], "batch_size: expected 1 or more, found 0"),
        (["--split", "tset"], "did you mean test?"),
        (["--data", "/nowhere"], "/nowhere: expected a folder, found none of that name"),
        (["--task-index", "2", "--num-tasks", "2"], "task_index: expected 0 to 1"),
        (["--also", "model"], "also: expected MODEL=OUTPUT, found 'model'"),
    ],
)
def test_mistakes_take_one_line(saved_model, tmp_path, capsys, arguments, message):
    data = write_split(tmp_path / "data", [2], split="test")
    given = ["--model", saved_model, "--data", str(data), "--output", str(tmp_path / "set")]
    assert embed.main([*given, *arguments]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert message in line
    assert not os.path.exists(tmp_path / "set")
