"""Compiles the JAX training step for absent TPUs; a separate program.

    python -m glrtf.planning.jax_compiler SETTINGS.json TOPOLOGY RESULT.json

It needs this project, Keras, jax and libtpu, and no TensorFlow. The result is that of
`tpu_compiler`, for the whole update over all devices of the topology.
"""

import contextlib
import dataclasses
import functools
import importlib.metadata
import os
import sys
import time
import typing
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from glrtf.planning.optimized_program import DUMP_TO, costs_of, optimized
from glrtf.planning.program_text import count_collectives
from glrtf.planning.tpu_compiler import ENVIRONMENT, end, write_result
from tfrecords_tools.storage import files

if TYPE_CHECKING:
    import jax

    from glrtf.config.training import TrainConfig


def compile_update(settings: dict[str, Any], topology_name: str) -> dict[str, Any]:
    """Compiles the update of `glrtf.train --engine jax` for a topology such as ``"v5e:2x2"``.

    Args:
        settings: Of `TrainConfig`, and `num_classes`.
        topology_name: As libtpu names it.

    The compiler is left running: see `optimized_program.optimized`.

    Returns:
        As in `tpu_compiler.compile_program`; also the number of operations that cross devices, and
        of those inside loops, by name.
    """
    from glrtf.config import keras_backend

    keras_backend.use("jax")
    import jax
    from jax.experimental import topologies

    jax.config.update("jax_default_matmul_precision", "highest")
    devices = topologies.get_topology_desc(topology_name, "tpu").devices
    began, cpu_began = time.monotonic(), time.process_time()
    result: dict[str, Any] = {
        "topology": topology_name,
        "jax": jax.__version__,
        "libtpu": importlib.metadata.version("libtpu"),
        "devices": len(devices),
    }
    result |= optimized_result(traced_update(settings, devices).lower())
    result["seconds"] = time.monotonic() - began
    result["cpu_seconds"] = time.process_time() - cpu_began
    return result


def optimized_result(lowered: "jax.stages.Lowered") -> dict[str, Any]:
    """What the compiler says of a program for TPUs: its memory and counts, or the refusal."""
    import jax

    try:
        found = optimized(lambda folder: lowered.compile(compiler_options={DUMP_TO: folder}))
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        return {"refused": str(error)}
    crossing, in_loops = count_collectives(found.text)
    return {
        "memory": {"peak_memory_in_bytes": found.memory_bytes},
        "update": costs_of(found.text),
        "collectives": crossing,
        "collectives_in_loops": in_loops,
    }


def traced_update(settings: dict[str, Any], devices: list[Any]) -> "jax.stages.Traced":
    """The update, traced for these devices; there are no images, and weights are zero."""
    import jax
    import jax.numpy as jnp
    import numpy as np
    from jax.sharding import NamedSharding

    from glrtf.data.augmentation import Augmentation
    from glrtf.models.kernels import Replicas
    from glrtf.training import jax_devices
    from glrtf.training.jax_placement import BY_DEVICE, specs_of, variables_of
    from glrtf.training.jax_step import make_update
    from glrtf.training.state import build_state

    config, num_classes = config_of(settings)
    split = config.head_sharding == "classes"
    mesh = jax_devices.make_mesh(devices, split_classes=split)
    with no_values():
        state = build_state(
            config,
            num_classes,
            config.margin,
            1e-4,
            "mixed_bfloat16",
            Replicas(mesh.size if split else 1),
        )
    update = make_update(
        state,
        mesh,
        Augmentation(config, as_products=True),
        accumulation_steps=config.accumulation_steps,
        clip_norm=config.clip_norm,
    )

    def shaped(shape: tuple[int, ...], dtype: Any, spec: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(shape, dtype, sharding=NamedSharding(mesh, spec))

    variables, specs = variables_of(state), specs_of(state)

    def of_group(name: str) -> list[jax.ShapeDtypeStruct]:
        found = []
        for variable, spec in zip(getattr(variables, name), getattr(specs, name), strict=True):
            shape = tuple(variable.shape)
            if name == "statistics":
                shape = (mesh.size, *shape)
            elif spec != jax.sharding.PartitionSpec():
                shape = (shape[0] * mesh.size, *shape[1:])
            found.append(shaped(shape, np.dtype(variable.dtype), spec))
        return found

    values = type(variables)(*(of_group(name) for name in variables._fields))
    images = config.batch_size * mesh.size
    return update.trace(  # type: ignore[attr-defined]  # It is compiled by jax.jit.
        values,
        (
            shaped((images, config.size, config.size, 3), jnp.uint8, BY_DEVICE),
            shaped((images,), jnp.int32, BY_DEVICE),
        ),
        shaped((mesh.size,), jnp.float32, BY_DEVICE),
    )


@contextlib.contextmanager
def no_values() -> Iterator[None]:
    """Inside, weights and slots of the same shape share one array of zeros.

    The program depends on shapes alone. Drawing initial weights compiles a program for every
    shape, which takes longer than tracing the update.
    """
    import jax
    import numpy as np

    from glrtf.config.keras_settings import keras

    @functools.cache
    def zeros(shape: tuple[int, ...], dtype: str) -> jax.Array:
        return jax.device_put(np.zeros(shape, dtype))

    drawn = keras.Variable._initialize_with_initializer

    def initialize(variable: Any, initializer: Any) -> None:
        # Integers, such as seeds and counters, are part of the program.
        if variable.shape and keras.backend.is_float_dtype(variable.dtype):
            variable._initialize(zeros(tuple(variable.shape), variable.dtype))
        else:
            drawn(variable, initializer)

    keras.Variable._initialize_with_initializer = initialize
    try:
        yield
    finally:
        keras.Variable._initialize_with_initializer = drawn


def settings_of(config: Any, num_classes: int) -> dict[str, Any]:
    """What `compile_update` needs of a training configuration, JSON values."""
    from glrtf.config.training import TrainConfig

    names = {each.name for each in dataclasses.fields(TrainConfig)} - {"input"}
    values = {name: value for name, value in dataclasses.asdict(config).items() if name in names}
    return {**values, "strategy": "auto", "tpu": "", "num_classes": num_classes}


def config_of(settings: dict[str, Any]) -> tuple["TrainConfig", int]:
    """The training configuration and number of classes that `settings_of` was made of."""
    from glrtf.config.training import TrainConfig

    hints = typing.get_type_hints(TrainConfig)

    def typed(name: str, value: Any) -> Any:
        """JSON has no dataclasses: a group of settings is an object there."""
        group = hints[name]
        return group(**value) if isinstance(value, dict) else value

    rest = {k: typed(k, v) for k, v in settings.items() if k != "num_classes"}
    return TrainConfig(**rest), settings["num_classes"]


def main(argv: list[str]) -> int:
    """Reads the settings and writes the result."""
    settings, topology_name, output = argv
    os.environ.update(ENVIRONMENT)
    write_result(output, compile_update(files.read_json(settings), topology_name))
    return 0


if __name__ == "__main__":
    end(main(sys.argv[1:]))
