import json
from pathlib import Path

import pytest
from tf_devices import split_cpu

from glrtf.commands import plan
from glrtf.config.data import AugmentConfig
from glrtf.config.planning import PlanConfig

split_cpu()
pytestmark = pytest.mark.usefixtures("small_networks")

# Of the small network: 248 + 608 + 802 + 25,600 of stem, blocks and top, less 2,688 means and
# variances of BatchNorm; the embedding layer has 1280 * 512 + 512.
PARAMETERS = 24_570 + 655_872


def test_a_plan_in_words_and_as_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    argv = ["--backbone", "v2b0", "--size", "64", "--num_classes", "1000", "--json", str(file)]
    assert plan.main([*argv, "--price_per_hour", "8", "--utilization", "0.5"]) == 0
    text = capsys.readouterr().out
    found = json.loads(file.read_text())
    assert "v2b0 at 64 px, 1,000 classes, on v3-8 (8 devices on 1 host)" in text
    assert f"parameters            {PARAMETERS + 512_000:>16,}" in text
    assert found["parameters"] == PARAMETERS + 512_000
    assert found["fits"] and "fits" in text
    assert found["global_batch_size"] == 12 * 3 * 8
    memory = found["memory_per_device"]
    assert memory["total"] == sum(size for name, size in memory.items() if name != "total")
    # At half of 61.5 TFLOPS, computing alone bounds the speed of eight devices.
    assert found["images_per_second"] < 8 * 0.5 * 61.5e12 / found["flops_per_image"]
    hours = 4_132_914 * 15 / found["images_per_second"] / 3600
    assert found["hours"] == pytest.approx(hours)
    assert f"cost per million photos {8 / 3600 * 1e6 / found['images_per_second']:,.2f}" in text


def test_a_run_that_is_too_large_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    # 20 million classes of 512 float32 numbers are 41 GB before anything else.
    argv = ["--backbone", "v2b0", "--size", "32", "--num_classes", "20000000"]
    assert plan.main(argv) == 0
    text = capsys.readouterr().out
    assert "DOES NOT FIT" in text
    assert "largest micro-batch   none" in text


def test_a_head_of_ten_million_classes_fits_split(capsys: pytest.CaptureFixture[str]) -> None:
    # 10 million classes of 512 float32 numbers are 20 GB, 2.6 GB on each of eight.
    argv = ["--backbone", "v2b0", "--size", "32", "--num_classes", "10000000", "--optimizer", "sgd"]
    argv += ["--tpu", "v6e-8", "--batch_size", "12"]
    assert plan.main(argv) == 0
    assert "DOES NOT FIT" in capsys.readouterr().out
    assert plan.main([*argv, "--head_sharding", "classes"]) == 0
    text = capsys.readouterr().out
    assert f"5,120,680,442, {PARAMETERS + 640_000_000:,} a device (head split)" in text
    assert "31.24 GiB: fits" in text


def test_a_plan_for_gpus(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    argv = ["--backbone", "v2b0", "--size", "32", "--num_classes", "1000", "--gpu", "L4"]
    assert plan.main([*argv, "--num_gpus", "2", "--json", str(file)]) == 0
    text = capsys.readouterr().out
    found = json.loads(file.read_text())
    assert "on 2 x l4 (2 devices on 1 host)" in text
    assert "bfloat16 and kept wherever gradients read" in text
    # nvidia-smi shows 23034 MiB; 1 GiB of it is taken as reserved.
    assert found["gpu"]["device"]["memory"] == (23034 - 1024) * 2**20
    assert found["fits"] and "tpu" not in found
    assert found["largest_micro_batch"] > 12


def test_several_sizes_are_planned_at_the_largest_that_is_trained_at(
    capsys: pytest.CaptureFixture[str],
) -> None:
    argv = ["--backbone", "v2b0", "--size", "96", "--num_classes", "1000", "--epochs", "2"]
    argv += ["--sizes", "32", "64", "--stage_epochs", "1", "1"]
    assert plan.main(argv) == 0
    assert "v2b0 at 64 px" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--tpu", "v3-9"], "unknown TPU 'v3-9'; did you mean v3-8?"),
        (["--gpu", "a100"], "unknown GPU 'a100'; did you mean a100-"),
        (["--gpu", "t4", "--compile"], "--compile: expected a TPU"),
        (["--gpu", "t4", "--num_gpus", "0"], "num_gpus: expected more than 0, found 0"),
        (["--num_classes", "0"], "num_classes: expected more than 0, found 0"),
        (["--head_sharding", "classes", "--optimizer", "lamb"], "use adam, adamw or sgd"),
        (["--head_sharding", "classes", "--strategy", "multiworker"], "use mirrored or tpu"),
        (["--head_sharding", "class"], "head_sharding"),
        (["--utilization", "2"], "utilization: expected 0 to 1, found 2.0"),
    ],
)
def test_mistakes(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan.main(argv) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("augment", "geometry"),
    [
        ({}, None),
        ({"cutout": 6}, None),
        *(
            ({name: value}, plan._GEOMETRY)
            for name, value in {
                "affine": True,
                "crop": 0.5,
                "rand_augment": 1,
                "mixup": 0.2,
                "cutmix": 1.0,
            }.items()
        ),
    ],
)
def test_what_was_compiled_of_another_geometry_is_compiled_again(augment, geometry) -> None:
    """The cache knows programs by these settings; those without geometry are the same as ever."""
    config = PlanConfig(augment=AugmentConfig(**augment))
    assert plan._shaping(config, plan.find_devices(config)).get("geometry") == geometry
