"""Embedding at several scales: photos resized to each, every view's unit row added up."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from shard_writing import photo, write_split

from glrtf.commands import embed
from glrtf.config.inference import EmbedConfig
from glrtf.inference import serving
from tfrecords_tools.command import cli

SIZE = 64
SCALES = (0.5, 1.0, 1.5)


@pytest.fixture(scope="module")
def open_model():
    """A network for images of any size, [0, 1] to unit rows (b, 6)."""
    keras.utils.set_random_seed(3)
    images = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(12, 5, strides=2, activation="relu")(images)
    x = keras.layers.GlobalMaxPooling2D()(x)
    x = keras.layers.Dense(6)(x)
    return keras.Model(images, keras.layers.UnitNormalization()(x))


@pytest.fixture(scope="module")
def exported(open_model, tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("open") / "model")
    serving.export(open_model, SIZE, folder, {"backbone": "open"})
    return folder


def row_by_hand(model, number):
    """One photo resized to 32, 64 and 96 pixels, plain and mirrored, one at a time."""
    pixels = tf.cast(tf.io.decode_jpeg(photo(number), channels=3), tf.float32)
    total = np.zeros(6)
    for side in (32, 64, 96):
        image = np.round(tf.image.resize(pixels, [side, side]).numpy()).astype(np.float32) / 255
        for one in (image, image[:, ::-1]):
            row = model(one[None], training=False).numpy()[0].astype(np.float64)
            total += row / np.linalg.norm(row)
    return total / np.linalg.norm(total)


def test_rows_are_those_of_one_view_and_scale_at_a_time(exported, open_model, tmp_path):
    write_split(tmp_path / "test", [3, 2], split="test")
    settings = {"batch_size": 4, "strategy": "cpu", "scales": SCALES}
    done = embed.embed(EmbedConfig(exported, str(tmp_path), str(tmp_path / "set"), **settings)).set
    rows = np.concatenate([done.part(part)[0] for part in range(2)])
    np.testing.assert_allclose(rows, [row_by_hand(open_model, n) for n in range(5)], atol=2e-6)
    assert done.meta["scales"] == list(SCALES)


def test_all_models_of_a_pass_must_take_the_scales(exported, saved_model, tmp_path):
    write_split(tmp_path / "test", [3], split="test")
    config = EmbedConfig(
        exported,
        str(tmp_path),
        str(tmp_path / "a"),
        also=(f"{saved_model}={tmp_path / 'b'}",),
        strategy="cpu",
        scales=SCALES,
    )
    assert cli.run(EmbedConfig, embed.run_embed, prog="p", argv=_flags(config)) == 2
    # At the models' own sizes both are embedded.
    assert len(embed.embed(_at_one_scale(config)).sets) == 2


def _flags(config: EmbedConfig) -> list[str]:
    names = ("model", "data", "output", "also", "strategy", "scales")
    flags = []
    for name in names:
        value = getattr(config, name)
        flags += [f"--{name}", *map(str, value if isinstance(value, tuple) else (value,))]
    return flags


def _at_one_scale(config: EmbedConfig) -> EmbedConfig:
    return EmbedConfig(
        config.model, config.data, config.output, also=config.also, strategy="cpu", batch_size=4
    )


def test_an_export_of_one_size_is_refused(saved_model, tmp_path, capsys):
    write_split(tmp_path / "test", [1], split="test")
    flags = ["--model", saved_model, "--data", str(tmp_path), "--output", str(tmp_path / "set")]
    assert embed.main([*flags, "--scales", "1", "2"]) == 2
    output = capsys.readouterr().err.splitlines()
    assert "expected an export that takes images of any size, found one of 32 px only" in output[-1]
    assert not (tmp_path / "set").exists()


def test_a_workdir_takes_any_scale(workdir, tmp_path):
    write_split(tmp_path / "test", [2], split="test")
    settings = {"batch_size": 2, "strategy": "cpu", "tta": ("plain",)}
    one = embed.embed(EmbedConfig(workdir, str(tmp_path), str(tmp_path / "one"), **settings)).set
    two = embed.embed(
        EmbedConfig(workdir, str(tmp_path), str(tmp_path / "two"), scales=(1.0, 2.0), **settings)
    ).set
    assert one.meta["model_digest"] == two.meta["model_digest"]
    rows, others = one.part(0)[0], two.part(0)[0]
    assert not np.allclose(rows, others, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(others, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("scales", [(), (1.0, 1.0), (0.0,), (11.0,)])
def test_scales_that_make_no_sense(scales):
    with pytest.raises(ValueError, match=r"scales: expected numbers from 0\.1 to 10, each once"):
        EmbedConfig("m", "d", "o", scales=scales)
