"""The accelerators that can be planned for."""

import dataclasses
import re

from tfrecords_tools.command.cli import did_you_mean
from tfrecords_tools.errors import UserError


@dataclasses.dataclass(frozen=True)
class Accelerator:
    """One device as an engine sees it: a core of v2 to v4 and v7x, a chip of other TPUs, a GPU.

    Attributes:
        generation: Its name, such as ``"v3"``.
        memory: Usable bytes of its HBM, as reported by the compiler for that generation (less than
            the chip's nominal size).
        peak_flops: bfloat16 multiply-add rate, floating point operations a second.
        bandwidth: Of its HBM, bytes per second.
        lanes: Columns of its matrix unit; a product with fewer columns leaves the others idle.
        precision: The precision it trains in: mixed_bfloat16, or float32 if it has no bfloat16.
        fused: Whether XLA compiles the step and recomputes normalisation and activation where they
            are used instead of storing their results; not on GPUs.
    """

    generation: str
    memory: int
    peak_flops: float
    bandwidth: float
    lanes: int = 128
    precision: str = "mixed_bfloat16"
    fused: bool = True


@dataclasses.dataclass(frozen=True)
class Slice:
    """A TPU slice, or a machine's GPUs: that many devices of one kind on that many hosts."""

    name: str
    device: Accelerator
    num_devices: int
    num_hosts: int


_GIB = 2**30

# Peak rates and bandwidths are Google's published figures per chip (Cloud TPU
# documentation, "System architecture" of each version), halved where a chip
# holds two cores that are two devices. Usable memory is what the
# TPU compiler itself allows, libtpu 0.0.52, in hundredths of a GiB rounded down.
_GENERATIONS = {
    "v2": Accelerator("v2", int(7.48 * _GIB), 45e12 / 2, 700e9 / 2),
    "v3": Accelerator("v3", int(15.48 * _GIB), 123e12 / 2, 900e9 / 2),
    "v4": Accelerator("v4", int(15.25 * _GIB), 275e12 / 2, 1228e9 / 2),
    "v5e": Accelerator("v5e", int(15.75 * _GIB), 197e12, 819e9),
    "v5p": Accelerator("v5p", int(95.73 * _GIB), 459e12, 2765e9),
    "v6e": Accelerator("v6e", int(31.24 * _GIB), 918e12, 1640e9, lanes=256),
    "v7x": Accelerator("v7x", int(94.74 * _GIB), 2307e12 / 2, 7380e9 / 2, lanes=256),
}

# Names count TensorCores up to v4, for v5p and for v7x, chips for v5e and v6e.
_DEVICES_PER_COUNT = {
    **{"v2": 1.0, "v3": 1.0, "v4": 1.0, "v5e": 1.0, "v5p": 0.5, "v6e": 1.0},
    "v7x": 1.0,
}
_DEVICES_PER_HOST = {"v2": 8, "v3": 8, "v4": 8, "v5e": 4, "v5p": 4, "v6e": 4, "v7x": 8}
# Up to eight chips of these may be in one VM; larger slices consist of VMs with four chips.
_ON_ONE_HOST = {"v5e": 8, "v6e": 8}
_COUNTS = {
    "v2": (8, 32, 128, 256, 512),
    "v3": (8, 32, 64, 128, 256, 512, 1024, 2048),
    "v4": (8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096),
    "v5e": (1, 4, 8, 16, 32, 64, 128, 256),
    "v5p": (8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096),
    "v6e": (1, 4, 8, 16, 32, 64, 128, 256),
    "v7x": (8, 16, 32, 64, 128, 256, 512, 1024, 2048),
}


def slice_names() -> list[str]:
    """All names that `find_slice` knows."""
    return [f"{kind}-{count}" for kind, counts in _COUNTS.items() for count in counts]


def find_slice(name: str) -> Slice:
    """Looks up a TPU slice by its Cloud name.

    Args:
        name: Such as ``"v3-8"``; ``"v5litepod-8"`` is another name of ``"v5e-8"``,
            ``"tpu7x-8"`` of ``"v7x-8"``.

    Raises:
        UserError: If there is no such slice; the message lists the known ones.
    """
    known = slice_names()
    canonical = re.sub(r"^v5lite(pod)?-", "v5e-", name.strip().lower())
    canonical = re.sub(r"^tpu7x-", "v7x-", canonical)
    if canonical not in known:
        smallest = ", ".join(f"{kind}-{counts[0]}" for kind, counts in _COUNTS.items())
        raise UserError(
            f"--tpu: unknown TPU {name!r}{did_you_mean(canonical, known)}; "
            f"known are {smallest} and larger slices of these"
        )
    kind, _, count = canonical.partition("-")
    devices = max(1, int(int(count) * _DEVICES_PER_COUNT[kind]))
    alone = devices <= _ON_ONE_HOST.get(kind, 0)
    hosts = 1 if alone else -(-devices // _DEVICES_PER_HOST[kind])
    return Slice(canonical, _GENERATIONS[kind], devices, hosts)
