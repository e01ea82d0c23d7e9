"""Which accelerators this machine has, whether or not TensorFlow can use them.

It looks at device files and at the PCI bus only. TPUs up to v4 are /dev/accelN, later ones
/dev/vfio/N, which other passed-through devices use too, so there must also be a TPU on the PCI bus.
AMD's compute driver has one device file, /dev/kfd, for all GPUs, so these are counted on the bus.
"""

import dataclasses
import os
import re
from collections.abc import Iterator
from pathlib import Path

_GOOGLE, _AMD = "0x1ae0", "0x1002"
# As in JAX's jax/_src/hardware_utils.py. One id stands for v2 and v3.
_TPUS = {
    "0x0027": "TPU v2 or v3",
    "0x0056": "TPU",
    "0x005e": "TPU v4",
    "0x0062": "TPU v5p",
    "0x0063": "TPU v5e",
    "0x006f": "TPU v6e",
    "0x0076": "TPU v7x",
}
# PCI classes of display controllers and processing accelerators (Instinct).
_GPU_CLASSES = ("0x03", "0x12")
# Processors' integrated graphics use the same driver and reserve less than this.
_LEAST_GPU_MEMORY = 4 << 30


@dataclasses.dataclass(frozen=True)
class Accelerators:
    """The machine's accelerators of one kind.

    Attributes:
        kind: `tpu` or `gpu`.
        name: Such as `TPU v5e`, `NVIDIA GPU` or `AMD GPU`.
        files: Their device files.
        count: How many; 0 for one per device file.
    """

    kind: str
    name: str
    files: tuple[str, ...]
    count: int = 0

    def __str__(self) -> str:
        shown = ", ".join(self.files[:2]) + (", …" if len(self.files) > 2 else "")
        return f"{self.count or len(self.files)} x {self.name} ({shown})"


def present(root: str = "/") -> Accelerators | None:
    """The accelerators whose device files exist: TPUs, else NVIDIA's or AMD's GPUs, unless hidden.

    Args:
        root: Where dev/ and sys/ are.
    """
    bus = Path(root, "sys/bus/pci/devices")
    on_bus = _tpus_on_bus(bus)
    accel = _device_files(root, "dev", r"accel\d+")
    vfio = _device_files(root, "dev/vfio", r"\d+") if on_bus else ()
    if accel or vfio:
        return Accelerators("tpu", on_bus or "TPU", accel or vfio)
    gpus = _device_files(root, "dev", r"nvidia\d+")
    if gpus and not _are_hidden("CUDA_VISIBLE_DEVICES"):
        return Accelerators("gpu", "NVIDIA GPU", gpus)
    kfd, amd_gpus = _device_files(root, "dev", "kfd"), _amd_gpus_on_bus(bus)
    if kfd and amd_gpus and not _are_hidden("HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"):
        return Accelerators("gpu", "AMD GPU", kfd, amd_gpus)
    return None


def _are_hidden(*variables: str) -> bool:
    return any(os.environ.get(name, "all") in ("", "-1") for name in variables)


def _tpus_on_bus(folder: Path) -> str:
    """The kind of TPU on the PCI bus; empty if there is none."""
    names = (_TPUS.get(_attribute(one, "device"), "") for one in _of_vendor(folder, _GOOGLE))
    return next(filter(None, names), "")


def _amd_gpus_on_bus(folder: Path) -> int:
    """The number of AMD GPUs with their own memory on the PCI bus."""
    count = 0
    for one in _of_vendor(folder, _AMD):
        memory = _attribute(one, "mem_info_vram_total")  # Missing without the amdgpu driver.
        is_integrated = memory.isdecimal() and int(memory) < _LEAST_GPU_MEMORY
        count += _attribute(one, "class").startswith(_GPU_CLASSES) and not is_integrated
    return count


def _of_vendor(folder: Path, vendor: str) -> Iterator[Path]:
    for path in sorted(folder.glob("*/vendor")):
        if _attribute(path.parent, "vendor") == vendor:
            yield path.parent


def _attribute(device: Path, name: str) -> str:
    """A PCI device's attribute; empty if it is missing or was removed in the meantime."""
    try:
        return (device / name).read_text().strip()
    except OSError:
        return ""


def _device_files(root: str, folder: str, pattern: str) -> tuple[str, ...]:
    try:
        names = os.listdir(Path(root, folder))
    except OSError:
        return ()
    return tuple(f"/{folder}/{name}" for name in sorted(names) if re.fullmatch(pattern, name))
