"""The GPUs that can be planned for."""

import re

from glrtf.planning.accelerators import Accelerator, Slice
from tfrecords_tools.command.near_words import did_you_mean
from tfrecords_tools.errors import UserError

_MIB = 2**20
# Memory of the driver's context, cuDNN and TensorFlow's reserve, assumed to be 1 GiB.
_RESERVED = 1024 * _MIB


def _gpu(name: str, mib: int, teraflops: float, gigabytes: float, *, bfloat16: bool) -> Accelerator:
    return Accelerator(
        name,
        mib * _MIB - _RESERVED,
        teraflops * 1e12,
        gigabytes * 1e9,
        lanes=1,
        precision="mixed_bfloat16" if bfloat16 else "float32",
        fused=False,
    )


# Memory in MiB as nvidia-smi shows it; peak TFLOPS and GB/s of NVIDIA's data sheets: dense bfloat16
# with float32 sums where the tensor cores have it (compute capability 8.0 and later), else float32.
_GPUS = {
    each.generation: each
    for each in (
        _gpu("t4", 15360, 8.1, 320, bfloat16=False),
        _gpu("v100-16", 16384, 15.7, 900, bfloat16=False),
        _gpu("v100-32", 32768, 15.7, 900, bfloat16=False),
        _gpu("l4", 23034, 121, 300, bfloat16=True),
        _gpu("rtx-3090", 24576, 71, 936, bfloat16=True),
        _gpu("rtx-4090", 24564, 165, 1008, bfloat16=True),
        _gpu("a100-40", 40960, 312, 1555, bfloat16=True),
        _gpu("a100-80", 81920, 312, 2039, bfloat16=True),
        _gpu("h100", 81559, 989, 3350, bfloat16=True),
    )
}


def gpu_names() -> list[str]:
    """All names that `find_gpus` knows."""
    return list(_GPUS)


def find_gpus(name: str, count: int = 1) -> Slice:
    """That many GPUs of one kind on one machine.

    Args:
        name: Such as ``"a100-40"``; ``"RTX 4090"``, ``"rtx4090"`` and ``"A100 40GB"`` are accepted
            too.
        count: How many.

    Raises:
        UserError: If the kind is not known; the message lists what is.
    """
    plain = _plain(name)
    known = {_plain(each): each for each in _GPUS}
    if plain not in known:
        near = did_you_mean(name, list(_GPUS))
        raise UserError(f"--gpu: unknown GPU {name!r}{near}; known are {', '.join(_GPUS)}")
    device = _GPUS[known[plain]]
    title = device.generation if count == 1 else f"{count} x {device.generation}"
    return Slice(title, device, count, 1)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]|gb$|nvidia|geforce|tesla", "", name.lower())
