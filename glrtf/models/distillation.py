"""The loss of distillation: how far embeddings are from another descriptor's rows."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from glrtf.config.distillation import DistillConfig
from glrtf.config.keras_settings import keras
from glrtf.models import kernels
from glrtf.models.heads import Pairing

Tensor: TypeAlias = Any


class Distillation(keras.layers.Layer):
    """Compares embeddings with rows of the same images (Hinton et al. 2015, arXiv 1503.02531).

    Args:
        config: Loss and projection.
        row_width: Length of a row.
        embedding_dim: Length of an embedding.
        seed: Of a learned projection's initial weights.

    Attributes:
        projection: Which one is used.
    """

    def __init__(
        self, config: DistillConfig, row_width: int, embedding_dim: int, seed: int = 0
    ) -> None:
        super().__init__(dtype="float32", name="distillation")
        self.weight = config.weight
        self.label_weight = config.label_weight
        self.projection = config.projection_of(row_width, embedding_dim)
        self._is_cosine = config.loss == "cosine"
        if self.projection == "none":
            return
        learned = self.projection == "learned"
        shape = (embedding_dim, row_width) if learned else (row_width, embedding_dim)
        start = keras.initializers.GlorotUniform(seed=seed) if learned else "zeros"
        self.kernel = self.add_weight(
            shape=shape, initializer=start, trainable=learned, name="kernel"
        )
        self.bias = self.add_weight(
            shape=shape[1:], initializer="zeros", trainable=learned, name="bias"
        )

    def project_rows(
        self, kernel: npt.NDArray[np.floating], bias: npt.NDArray[np.floating]
    ) -> None:
        """Sets the map of `pca`: rows become rows · kernel + bias."""
        self.kernel.assign(kernel)
        self.bias.assign(bias)

    def call(self, embeddings: Tensor, rows: Tensor, pairing: Pairing | None = None) -> Tensor:
        """The distance of each embedding to its row, `(batch,)` float32.

        Args:
            embeddings: `(batch, embedding_dim)` of unit rows.
            rows: `(batch, row_width)` of unit rows.
            pairing: As of `ArcFaceHead.losses`: a mixed image has the distances to both its
                rows, in the same shares.
        """
        ops = keras.ops
        ours, theirs = ops.cast(embeddings, "float32"), ops.cast(rows, "float32")
        if self.projection == "learned":
            ours = self._mapped(ours)
        elif self.projection == "pca":
            theirs = self._mapped(theirs)
        if self._is_cosine:
            ours, theirs = kernels.unit_rows(ours), kernels.unit_rows(theirs)
        distances = self._distances(ours, theirs)
        if pairing is None:
            return distances
        partner, share = pairing
        of_others = self._distances(ours, ops.take(theirs, partner, axis=0))
        return share * distances + (1 - share) * of_others

    def _mapped(self, values: Tensor) -> Tensor:
        kernel, bias = kernels.tensor_of(self.kernel), kernels.tensor_of(self.bias)
        return keras.ops.matmul(values, kernel) + bias

    def _distances(self, ours: Tensor, theirs: Tensor) -> Tensor:
        if self._is_cosine:
            return 1.0 - keras.ops.sum(ours * theirs, axis=-1)
        return keras.ops.sum(keras.ops.square(ours - theirs), axis=-1)
