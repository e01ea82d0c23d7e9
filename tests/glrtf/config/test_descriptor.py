import pytest

from glrtf.config.descriptor import DescribeConfig, DescriptorConfig, Manifest, names_function
from glrtf.config.inference import EmbedConfig
from tfrecords_tools.command import cli
from tfrecords_tools.errors import UserError


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"size": 0}, "size: expected 1 or more"),
        ({"crop": 1.5}, "crop: expected above 0 to 1"),
        ({"mean": (0.5, 0.5, 0.5)}, "expected mean and std together"),
        ({"mean": (0.5,), "std": (0.5,)}, "expected three numbers"),
        ({"mean": (0.5,) * 3, "std": (0.5, 0.5, 0.0)}, "std: expected three numbers above 0"),
        ({"mean": (123.0, 116.0, 103.0), "std": (1.0,) * 3}, "divide them by 255"),
        ({"mean": (0.5,) * 3, "std": (0.5,) * 3, "range": "0..1"}, "expected range, or mean"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, part):
    with pytest.raises(ValueError, match="expected") as caught:
        Manifest(**settings)
    assert part in str(caught.value)


def test_flags_and_files_say_the_same(tmp_path):
    file = tmp_path / "d.yaml"
    file.write_text("mean: [0.5, 0.4, 0.3]\nstd: [0.2, 0.2, 0.2]\nantialias: false\n")
    from_file = cli.parse(Manifest, [f"--config={file}"], prog="x")
    words = "--model m --data d --output o --descriptor.mean 0.5 0.4 0.3 --descriptor.std 0.2 0.2"
    argv = [*words.split(), "0.2", "--descriptor.antialias", "false"]
    assert cli.parse(EmbedConfig, argv, prog="x").descriptor.given == from_file.given


def test_only_given_settings_are_passed_on():
    assert DescriptorConfig(size=3, l2=False).given == {"size": 3, "l2": False}


def test_names_of_functions():
    assert names_function("package.module:function")
    for name in ("m.onnx", "gs://bucket/model", "keras_hub:preset", "C:/model", "a/b:c", "model"):
        assert not names_function(name)


@pytest.mark.parametrize("key", ["model", "also"])
def test_a_settings_file_names_no_function(tmp_path, key):
    file = tmp_path / "s.yaml"
    value = {"model": "model: os.path:join", "also": "also: ['os.path:join=out']"}[key]
    file.write_text(f"{value}\ndata: d\noutput: o\n")
    argv = [f"--config={file}"] + (["--model", "m"] if key == "also" else [])
    with pytest.raises(UserError, match="expected no function in a settings file"):
        cli.parse(EmbedConfig, argv, prog="x")
    assert cli.parse(DescribeConfig, ["os.path:join"], prog="x", positional=True).model
