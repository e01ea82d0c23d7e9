"""Embedding on JAX devices, from a training run's checkpoint."""

import sys
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding

from glrtf.config.inference import EmbedConfig
from glrtf.config.keras_settings import keras
from glrtf.data.input_spec import InputSpec
from glrtf.inference.descriptors.kinds import kind_of
from glrtf.inference.embedder import Embedder, Precision
from glrtf.inference.jobs import Job
from glrtf.inference.tta import embed_views
from glrtf.inference.weights_digest import weights_digest
from glrtf.training import jax_devices
from glrtf.training.jax_placement import BY_DEVICE, EVERYWHERE, place_variables
from tfrecords_tools.errors import UserError


def load_jobs(config: EmbedConfig) -> list[Job]:
    """Loads the models of an embedding on this process's devices.

    Raises:
        UserError: See `load_embedder`; or if the devices are missing.
    """
    devices = jax_devices.find_devices(config.strategy, config.tpu, alone=True)
    print(f"embedding with jax on {jax_devices.describe(devices)}", file=sys.stderr)
    mesh = jax_devices.make_mesh(devices, split_classes=False)
    return [_load_job(config, mesh, number) for number in range(len(config.jobs))]


def _load_job(config: EmbedConfig, mesh: Mesh, number: int) -> Job:
    """The model of that number."""
    model, output = config.jobs[number]
    any_size = any(scale != 1 for scale in config.scales)
    embedder = load_embedder(model, config.checkpoint, any_size, config.precision)
    runner = JaxRunner(embedder, config.tta, config.batch_size, mesh, config.scales)
    job = Job(embedder, runner, output)
    return job.checked_by(config, lambda exact: _load_job(exact, mesh, number))


def load_embedder(
    path: str, checkpoint: str = "", any_size: bool = False, precision: Precision = "float32"
) -> Embedder:
    """Loads a training run's model into the host's memory.

    Args:
        path: A workdir.
        checkpoint: Which checkpoint.
        any_size: Whether it must take images of any size, unresized.
        precision: Of the network's arithmetic.

    Raises:
        UserError: If it is not a workdir, or does not load.
    """
    from glrtf.training.checkpoints import load_embedding_model

    if (kind := kind_of("--model", path)) != "workdir":
        raise UserError(
            f"--model {path}: expected a training run's workdir with --engine jax, found a model "
            f"of the kind {kind}; name the workdir, or use --engine tensorflow"
        )
    policy = "mixed_bfloat16" if precision == "bfloat16" else "float32"
    with jax.default_device(jax_devices.host()):
        model, config = load_embedding_model(path, checkpoint or None, policy, any_size)

    def embed(images: jax.Array) -> jax.Array:
        return model(images.astype(jnp.float32) / 255.0, training=False)

    dimension = int(model.output_shape[-1])
    spec = InputSpec.of(config.input, config.size)
    return Embedder(path, spec, dimension, weights_digest(model), embed, model, precision)


class JaxRunner:
    """See `Runner`; all devices have the weights, and each embeds its share of a batch.

    Args:
        embedder: From `load_embedder`. views: Names of the views to sum.
        batch_size: Images per device.
        mesh: The devices.
        scales: Factors on the model's input size; every view is embedded at each.
    """

    def __init__(
        self,
        embedder: Embedder,
        views: Sequence[str],
        batch_size: int,
        mesh: Mesh,
        scales: Sequence[float] = (1.0,),
    ) -> None:
        self.total_batch = batch_size * mesh.size
        self.specs = embedder.specs(scales)
        self._sharding = NamedSharding(mesh, BY_DEVICE)
        variables = embedder.source.variables
        self._weights = place_variables(variables, mesh)

        def of_device(weights: Sequence[jax.Array], *scaled: jax.Array) -> jax.Array:
            with keras.StatelessScope(state_mapping=list(zip(variables, weights, strict=True))):
                return embed_views(embedder.embed, scaled, views)

        specs = (EVERYWHERE, *(BY_DEVICE for _ in scales))
        self._step = jax.jit(
            jax.shard_map(
                of_device, mesh=mesh, in_specs=specs, out_specs=BY_DEVICE, check_vma=False
            )
        )

    def __call__(self, *scaled: np.ndarray) -> jax.Array:
        """See `Runner`."""
        return self._step(self._weights, *(self._dealt_out(images) for images in scaled))

    def _dealt_out(self, images: np.ndarray) -> jax.Array:
        """The images, padded to a whole batch; copied, since the reader reuses its arrays."""
        whole = np.zeros((self.total_batch, *images.shape[1:]), images.dtype)
        whole[: len(images)] = images
        return jax.device_put(whole, self._sharding)

    def rows(self, result: Any, count: int) -> np.ndarray:
        """See `Runner`."""
        return np.array(result)[:count]
