"""What augmentation moves through a TPU's memory, by the TPU compiler's own estimate.

    PYTHONPATH=. python benchmarks/augmentation_bytes.py --compiler_python plan/bin/python

Each augmentation is lowered alone, from uint8 images, and compiled ahead of time for one
device; no TPU is needed. ``--operations`` compiles RandAugment's operations one by one
instead, for one image: the compiler counts the body of a loop once, so that it has no
estimate of all of them. docs/plan.md says how the interpreter with the compiler is made.
"""

import argparse
import json
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

# The first is what the others are compared with.
AUGMENTATIONS: dict[str, dict[str, Any]] = {
    "the default": {},
    "cutout 6": {"cutout": 6},
    "crop 0.25": {"crop": 0.25},
    "affine": {"affine": True},
    "affine, rotation 20": {"affine": True, "rotation": 20.0},
    "mixup 0.2": {"mixup": 0.2},
    "cutmix 1": {"cutmix": 1.0},
}


def augmentation(name: str, batch: int, size: int) -> bytes:
    """The program of an augmentation of `AUGMENTATIONS`, a serialised HloModuleProto."""
    import tensorflow as tf

    from glrtf.config.data import AugmentConfig
    from glrtf.data.augment import augment, step_seed
    from glrtf.data.mixing import mix

    config = AugmentConfig(**AUGMENTATIONS[name])

    def program(images: tf.Tensor, step: tf.Tensor) -> Any:
        seed = step_seed(0, step, 0)
        found = augment(tf.cast(images, tf.float32) / 255.0, seed, config, as_products=True)
        return mix(found, seed, config) if config.mixes else found

    images = tf.TensorSpec([batch, size, size, 3], tf.uint8)
    return _lowered(program, images, tf.TensorSpec([], tf.int32))


def operation(name: str, size: int) -> bytes:
    """The program of one of RandAugment's operations on one image."""
    import tensorflow as tf

    from glrtf.data import rand_augment

    def program(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
        return rand_augment._apply(name, True, image, strength)

    image = tf.TensorSpec([1, size, size, 3], tf.float32)
    return _lowered(program, image, tf.TensorSpec([1], tf.float32))


def _lowered(program: Callable, *arguments: Any) -> bytes:
    import tensorflow as tf

    from glrtf.planning.step_hlo import _without_copies

    compiled = tf.function(program, jit_compile=True, autograph=False)
    with tf.device("CPU:0"):
        lower = compiled.experimental_get_compiler_ir(*arguments)
    return _without_copies(lower(stage="hlo_serialized"))


def cost(program: bytes, python: str, topology: str) -> dict[str, float]:
    """The compiler's estimate: bytes_accessed and cycles."""
    with tempfile.TemporaryDirectory() as folder:
        source, result = Path(folder, "program.hlo"), Path(folder, "result.json")
        source.write_bytes(program)
        program = [python, "-m", "glrtf.planning.tpu_compiler"]
        command = [*program, str(source), topology, str(result), "--whole"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return json.loads(result.read_text())["cost"]


def main() -> int:
    """Prints the table as it grows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compiler_python", required=True)
    parser.add_argument("--topology", default="v3:2x2")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=640)
    parser.add_argument("--only", nargs="+", choices=AUGMENTATIONS, default=list(AUGMENTATIONS))
    parser.add_argument("--operations", action="store_true")
    arguments = parser.parse_args()
    if arguments.operations:
        from glrtf.data.rand_augment import OPERATIONS

        programs = {name: operation(name, arguments.size) for name in OPERATIONS}
    else:
        programs = {n: augmentation(n, arguments.batch, arguments.size) for n in arguments.only}
    print("| augmentation | bytes | of the first | cycles |\n|---|---|---|---|", flush=True)
    first = None
    for name, program in programs.items():
        found = cost(program, arguments.compiler_python, arguments.topology)
        first = first or found["bytes_accessed"]
        moved, cycles = found["bytes_accessed"], found["cycles"]
        share = moved / first
        print(f"| {name} | {moved / 1e9:.3g} GB | {share:.2f} | {cycles / 1e6:.1f} M |", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
