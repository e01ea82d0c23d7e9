import pytest

from glrtf.planning.gpus import find_gpus, gpu_names
from tfrecords_tools.errors import UserError

GIB = 2**30


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("t4", "t4"),
        ("Tesla T4", "t4"),
        ("rtx4090", "rtx-4090"),
        ("NVIDIA GeForce RTX 3090", "rtx-3090"),
        ("A100 40GB", "a100-40"),
        ("a100-80gb", "a100-80"),
        ("H100", "h100"),
    ],
)
def test_a_gpu_goes_by_its_usual_names(written: str, name: str) -> None:
    assert find_gpus(written).name == name


def test_every_listed_name_is_found() -> None:
    assert [find_gpus(name).device.generation for name in gpu_names()] == gpu_names()


def test_several_are_one_machine() -> None:
    found = find_gpus("a100-40", 8)
    assert (found.name, found.num_devices, found.num_hosts) == ("8 x a100-40", 8, 1)


def test_memory_is_what_the_driver_shows_less_a_gibibyte() -> None:
    assert find_gpus("t4").device.memory == 14 * GIB
    assert find_gpus("a100-40").device.memory == 39 * GIB


@pytest.mark.parametrize(("name", "precision"), [("t4", "float32"), ("l4", "mixed_bfloat16")])
def test_cards_without_bfloat16_are_planned_in_float32(name: str, precision: str) -> None:
    device = find_gpus(name).device
    assert (device.precision, device.fused) == (precision, False)


@pytest.mark.parametrize("name", ["a100", "gtx-1080", ""])
def test_unknown_ones_are_refused_with_what_there_is(name: str) -> None:
    with pytest.raises(UserError, match=r"--gpu: unknown GPU .*known are t4, v100-16"):
        find_gpus(name)
