"""Bytes that a JAX update accesses on an absent TPU, compared with plain Keras.

    PYTHONPATH=. plan/bin/python benchmarks/jax_bytes.py v2m_640 v5e:2x4

An update of a published configuration on one device is compared with as many forward and backward
passes of the same network in plain Keras, mixed_bfloat16: `keras.applications`, with average
pooling, the mean of the outputs as loss, and neither head, optimizer nor augmentation. Both are
compiled until memory is assigned (`glrtf.planning.optimized_program`); minutes each.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
from typing import Any

from glrtf.planning.tpu_compiler import ENVIRONMENT, end

# keras.applications has no XL.
_NETWORKS = {"v2s": "EfficientNetV2S", "v2m": "EfficientNetV2M", "v2l": "EfficientNetV2L"}
_CONFIGS = ("v2s_800", "v2m_640", "v2m_732", "v2l_720")


def main() -> int:
    """Compiles both programs, each in its own process, and prints the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", choices=_CONFIGS)
    parser.add_argument("topology", help="of one host, as libtpu names it: v5e:2x4, v6e:2x4, …")
    parser.add_argument("--only", choices=("update", "plain"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(compiled(arguments)))
        return 0
    found = {}
    for name in ("update", "plain"):
        command = [sys.executable, *sys.argv, "--only", name]
        output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        found[name] = json.loads(output.splitlines()[-1])
    update, plain = found["update"], found["plain"]
    times = update["micro_batches"]
    print(
        f"{arguments.config} {arguments.topology}: {update['update']['bytes_accessed'] / 1e9:.1f} "
        f"GB an update of {times} micro-batches, plain Keras {times} x "
        f"{plain['update']['bytes_accessed'] / 1e9:.1f} GB"
    )
    for name in ("bytes_accessed", "flops"):
        print(f"{name}: {update['update'][name] / (times * plain['update'][name]):.3f} x")
    return 0


def compiled(arguments: argparse.Namespace) -> dict[str, Any]:
    """Memory and costs of one of the two programs."""
    os.environ.update(ENVIRONMENT)
    from glrtf.config import keras_backend

    keras_backend.use("jax")
    import jax
    from jax.experimental import topologies

    from glrtf.config.training import TrainConfig
    from glrtf.planning.jax_compiler import optimized_result, settings_of, traced_update
    from tfrecords_tools.command import cli

    jax.config.update("jax_default_matmul_precision", "highest")
    given = [f"--config=configs/{arguments.config}.yaml"]
    config = cli.parse(TrainConfig, given, prog="jax_bytes")
    largest = max(config.sizes, default=config.size)
    config = dataclasses.replace(config, size=largest, sizes=[], stage_epochs=[])
    devices = topologies.get_topology_desc(arguments.topology, "tpu").devices
    if arguments.only == "update":
        lowered = traced_update(settings_of(config, 203_094), devices).lower()
    else:
        lowered = plain_passes(config, devices[0])
    return {**optimized_result(lowered), "micro_batches": config.accumulation_steps}


def plain_passes(config: Any, device: Any) -> Any:
    """Forward and backward pass of a micro-batch in plain Keras, lowered."""
    import jax
    import jax.numpy as jnp
    import keras
    from jax.sharding import SingleDeviceSharding

    from glrtf.planning.jax_compiler import no_values

    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    images = config.batch_size // config.accumulation_steps
    shape = (config.size, config.size, 3)
    with no_values():
        network = getattr(keras.applications, _NETWORKS[config.backbone])(
            include_top=False, weights=None, input_shape=shape, pooling="avg"
        )

    def passes(trainable: list[jax.Array], others: list[jax.Array], images: jax.Array) -> tuple:
        def loss(trainable: list[jax.Array]) -> tuple[jax.Array, Any]:
            rows, after = network.stateless_call(trainable, others, images, training=True)
            return jnp.mean(rows.astype(jnp.float32)), after

        return jax.value_and_grad(loss, has_aux=True)(trainable)

    def shaped(values: list[Any]) -> list[jax.ShapeDtypeStruct]:
        return [jax.ShapeDtypeStruct(tuple(v.shape), v.dtype, sharding=placed) for v in values]

    placed = SingleDeviceSharding(device)
    return jax.jit(passes, donate_argnums=1).lower(
        shaped(network.trainable_variables),
        shaped(network.non_trainable_variables),
        jax.ShapeDtypeStruct((images, *shape), jnp.float32, sharding=placed),
    )


if __name__ == "__main__":
    end(main())
