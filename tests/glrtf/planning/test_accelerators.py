import pytest

from glrtf.planning.accelerators import find_slice, slice_names
from tfrecords_tools.errors import UserError


@pytest.mark.parametrize(
    ("name", "devices", "hosts"),
    [
        ("v2-8", 8, 1),
        ("v3-8", 8, 1),
        ("v3-32", 32, 4),
        ("v5p-8", 4, 1),
        ("v6e-1", 1, 1),
        ("v5p-16", 8, 2),
        ("v6e-8", 8, 1),
        ("v6e-16", 16, 4),
        ("v6e-32", 32, 8),
        ("v5e-8", 8, 1),
        ("v5e-16", 16, 4),
        ("v4-16", 16, 2),
        ("v7x-8", 8, 1),
        ("v7x-16", 16, 2),
    ],
)
def test_names_give_devices_and_hosts(name: str, devices: int, hosts: int) -> None:
    found = find_slice(name)
    assert (found.num_devices, found.num_hosts) == (devices, hosts)


def test_a_core_of_v3_is_half_a_chip() -> None:
    device = find_slice("v3-8").device
    assert device.peak_flops == 61.5e12  # 123 TFLOPS a chip, two cores


@pytest.mark.parametrize(
    ("generation", "gib"),
    [
        ("v2", 7.48),
        ("v3", 15.48),
        ("v4", 15.25),
        ("v5e", 15.75),
        ("v5p", 95.73),
        ("v6e", 31.24),
        ("v7x", 94.74),
    ],
)
def test_usable_memory_is_never_rounded_up(generation: str, gib: float) -> None:
    """Hundredths of a GiB of what the compiler of libtpu 0.0.52 allows, rounded down."""
    [first, *_] = [name for name in slice_names() if name.startswith(f"{generation}-")]
    assert find_slice(first).device.memory == int(gib * 2**30)


def test_v5e_and_v7x_have_two_names() -> None:
    assert find_slice("v5litepod-8") == find_slice("v5e-8")
    assert find_slice("tpu7x-8") == find_slice("v7x-8")


def test_every_listed_name_is_found() -> None:
    assert all(find_slice(name).name == name for name in slice_names())


@pytest.mark.parametrize("name", ["v3-7", "v9-8", "", "gpu"])
def test_unknown_names_are_refused_with_what_there_is(name: str) -> None:
    with pytest.raises(UserError, match=r"--tpu: unknown TPU .*known are v2-8, v3-8"):
        find_slice(name)
