"""Metrics of the model on a held-out fold, on JAX devices."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding

from glrtf.config.keras_settings import keras
from glrtf.data.host_batches import evaluation_batches
from glrtf.data.input_spec import InputSpec
from glrtf.data.records import BadRecords
from glrtf.data.shards import ShardSet
from glrtf.models.class_shards import shards_of
from glrtf.models.kernels.jax_replicas import AXES
from glrtf.models.retrieval_model import RetrievalModel
from glrtf.training.engine import Score
from glrtf.training.fold_figures import figures_of
from glrtf.training.jax_inputs import dealt
from glrtf.training.jax_placement import (
    BY_CLASS,
    BY_DEVICE,
    EVERYWHERE,
    place_variables,
)
from tfrecords_tools.progress import Progress


class JaxValidator:
    """Embeds a fold on all devices and evaluates it, like `Validator`.

    Args:
        mesh: The devices.
        model: Embedding model and head, with current values in its variables.
        shards: The fold.
        spec: How images are made.
        batch_size: Images per device and step.
        score: Evaluates the embeddings by a search; None skips that.
    """

    def __init__(
        self,
        mesh: Mesh,
        model: RetrievalModel,
        shards: ShardSet,
        *,
        spec: InputSpec,
        batch_size: int,
        score: Score | None = None,
    ) -> None:
        self._mesh = mesh
        self._shards = shards
        self._spec = spec
        self._batch = batch_size * mesh.size
        self._score = score
        self._dimension = model.embedding_model.output_shape[-1]
        self._variables = list(model.trainable_variables) + list(model.non_trainable_variables)
        specs = [EVERYWHERE if shards_of(v) is None else BY_CLASS for v in self._variables]

        def of_device(
            values: Sequence[jax.Array], images: jax.Array, labels: jax.Array
        ) -> jax.Array:
            pairs = list(zip(self._variables, values, strict=True))
            with keras.StatelessScope(state_mapping=pairs):
                pixels = images.astype(jnp.float32) / 255.0
                rows = model.embedding_model(pixels, training=False)
                figures = jnp.stack(model.head.plain_losses(rows, labels), axis=1)
            together = jnp.concatenate([rows, figures], axis=1)
            return jax.lax.all_gather(together, AXES, tiled=True)

        self._step = jax.jit(
            jax.shard_map(
                of_device,
                mesh=mesh,
                in_specs=(specs, BY_DEVICE, BY_DEVICE),
                out_specs=EVERYWHERE,
                check_vma=False,
            )
        )

    def __call__(self) -> dict[str, float]:
        """See `fold_figures.figures_of`."""
        values = place_variables(self._variables, self._mesh)
        found, labels = [], []
        batches = evaluation_batches(self._shards, [self._spec], self._batch, BadRecords(0))
        with Progress("validate", self._shards.num_examples, unit="image") as progress:
            for batch in batches:
                found.append(self._run(values, batch.images[0], batch.labels))
                labels.append(batch.labels)
                progress.update(len(batch.labels))
        return figures_of(
            np.concatenate(found), np.concatenate(labels), self._dimension, self._score
        )

    def _run(
        self, values: Sequence[jax.Array], images: np.ndarray, labels: np.ndarray
    ) -> np.ndarray:
        """One batch split over the devices; a smaller last batch is padded with its first image."""
        filled = np.resize(np.arange(len(labels)), self._batch)
        sharding = NamedSharding(self._mesh, BY_DEVICE)
        result = self._step(
            values, dealt(images[filled], sharding), dealt(labels[filled], sharding)
        )
        return np.asarray(result.addressable_data(0))[: len(labels)]
