"""Which accelerators this machine has, whether TensorFlow can drive them or not.

It looks at device files and at the PCI bus only. TPUs up to v4 are /dev/accelN, later ones
/dev/vfio/N, which other passed-through devices are too, so the bus must show a TPU as well.
"""

import dataclasses
import os
import re
from pathlib import Path

_GOOGLE = "0x1ae0"
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


@dataclasses.dataclass(frozen=True)
class Accelerators:
    """Accelerators of one kind.

    Attributes:
        kind: `tpu` or `gpu`.
        name: Such as `TPU v5e` or `NVIDIA GPU`.
        files: Their device files.
    """

    kind: str
    name: str
    files: tuple[str, ...]

    def __str__(self) -> str:
        shown = ", ".join(self.files[:2]) + (", …" if len(self.files) > 2 else "")
        return f"{len(self.files)} x {self.name} ({shown})"


def present(root: str = "/") -> Accelerators | None:
    """The accelerators whose device files exist: TPUs, else NVIDIA GPUs that are not hidden.

    Args:
        root: Where dev/ and sys/ are.
    """
    on_bus = _tpus_on_bus(Path(root, "sys/bus/pci/devices"))
    accel = _device_files(root, "dev", r"accel\d+")
    vfio = _device_files(root, "dev/vfio", r"\d+") if on_bus else ()
    if accel or vfio:
        return Accelerators("tpu", on_bus or "TPU", accel or vfio)
    gpus = _device_files(root, "dev", r"nvidia\d+")
    if gpus and os.environ.get("CUDA_VISIBLE_DEVICES", "all") not in ("", "-1"):
        return Accelerators("gpu", "NVIDIA GPU", gpus)
    return None


def _tpus_on_bus(folder: Path) -> str:
    """What kind of TPU the PCI bus shows; empty if it shows none."""
    for vendor in sorted(folder.glob("*/vendor")):
        try:
            if vendor.read_text().strip() == _GOOGLE:
                device = (vendor.parent / "device").read_text().strip()
                if device in _TPUS:
                    return _TPUS[device]
        except OSError:
            continue  # Removed meanwhile, or not ours to read.
    return ""


def _device_files(root: str, folder: str, pattern: str) -> tuple[str, ...]:
    try:
        names = os.listdir(Path(root, folder))
    except OSError:
        return ()
    return tuple(f"/{folder}/{name}" for name in sorted(names) if re.fullmatch(pattern, name))
