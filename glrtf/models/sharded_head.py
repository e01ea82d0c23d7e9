"""Heads whose classes are split over the replicas, for more of them than one device holds.

Each replica holds the centres of its classes and computes their logits for the
images of all replicas; the softmax is put together from every replica's maximum
and sum (as Partial FC, arXiv 2010.05222, does). Weight, gradient and optimizer
slots of a replica are the head's divided by the replicas, and so are the logits
of an image; only embeddings and a few numbers an image cross replicas.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from glrtf.config.keras_settings import keras
from glrtf.models import kernels
from glrtf.models.class_shards import ClassShards, assign_whole, made_split, mark
from glrtf.models.heads import ArcFaceHead, CurricularFaceHead, Pairing

Tensor: TypeAlias = Any

# A cosine and a logit of no class, below any that a class may have; finite, since
# the difference of two infinities is no number.
_NO_COSINE = -2.0
_NO_LOGIT = -1e30


class _ClassSharded(ArcFaceHead):
    """Puts a head's classes on several replicas; mixed in before the head's own class.

    `losses` and `plain_losses` are as the head's, called by every replica with
    its own images. `cosine` and `logits` are of this replica's classes, for the
    images they are given.
    """

    # Asked by the training step: micro-batches talk across replicas.
    synchronized = True
    replicas = kernels.Replicas()

    def make_centers(self, dimension: int) -> keras.Variable:
        """This replica's centres, `(num_centers · size, dimension)`.

        The values are those that the head would have on one device; they are
        drawn whole, on the host.
        """
        self.shards = ClassShards(self.num_classes, self.num_centers, self.replicas.count)
        with made_split(self.shards):
            centers = self.add_weight(
                shape=(self.num_centers * self.shards.size, dimension),
                initializer="zeros",
                name="centers",
            )
        mark(centers, self.shards)
        if isinstance(self.replicas, kernels.LoneReplica):
            return centers  # The step is never run, and the whole might not fit this machine.
        with keras.device("cpu:0"):
            whole = self.initial_centers((self.num_centers * self.num_classes, dimension))
        assign_whole(centers, np.asarray(whole))
        return centers

    def cosine(self, embeddings: Tensor) -> Tensor:
        """Margin-free cosines of this replica's classes, `(batch, size)` float32."""
        result = super().cosine(embeddings)
        return self._without_padding(result, _NO_COSINE)

    def losses(
        self,
        embeddings: Tensor,
        labels: Tensor,
        pairing: Pairing | None = None,
        training: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """See `ArcFaceHead.losses`."""
        rows, all_labels = self._gathered(embeddings, labels)
        if pairing is not None:
            partner, share = pairing
            partner = partner + self.replicas.own * keras.ops.shape(partner)[0]
            pairing = self.replicas.gather_rows(partner), self.replicas.gather_rows(share)
        losses, right = super().losses(rows, all_labels, pairing, training)
        return self.replicas.own_rows(losses), self.replicas.own_rows(right)

    def plain_losses(self, embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """See `ArcFaceHead.plain_losses`."""
        losses, right = super().plain_losses(*self._gathered(embeddings, labels))
        return self.replicas.own_rows(losses), self.replicas.own_rows(right)

    def columns(self, labels: Tensor) -> Tensor:
        """Where the labels' cosines lie here, `(batch,)`; any place for those that do not."""
        return keras.ops.clip(labels - self._first(labels.dtype), 0, self.shards.size - 1)

    def where_here(self, labels: Tensor, here: Tensor, elsewhere: Tensor) -> Tensor:
        """`here` for labels of this replica's classes, else `elsewhere`; `(batch,)` each."""
        place = labels - self._first(labels.dtype)
        return keras.ops.where((place >= 0) & (place < self.shards.size), here, elsewhere)

    def true_cosines(self, cosine: Tensor, labels: Tensor) -> Tensor:
        """Each label's cosine, `(batch,)`, from the replica that has it.

        Its path here it has its gradient, which is the whole one: the
        other replicas' logits do not contain it.
        """
        own = super().true_cosines(cosine, labels)
        all_over = self.replicas.total(self.where_here(labels, own, keras.ops.zeros_like(own)))
        return self.where_here(labels, own, all_over)

    def cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Cross entropy over all replicas' classes, `(batch,)`, equal on all replicas."""
        logits = self._without_padding(logits, _NO_LOGIT)

        def masked(values: Tensor) -> Tensor:
            return self.where_here(labels, values, keras.ops.zeros_like(values))

        return kernels.split_cross_entropy(logits, self.columns(labels), masked, self.replicas)

    def nearest_is(self, cosine: Tensor, labels: Tensor) -> Tensor:
        """Whether the nearest of all replicas' classes is the label's, `(batch,)` float32."""
        ops = keras.ops
        nearest = kernels.largest_column(cosine, labels.dtype) + self._first(labels.dtype)
        hit = ops.cast(nearest == labels, "float32")
        found = self.replicas.gather(ops.stack([ops.max(cosine, axis=1), hit]))
        # Of equals the first, as on one device: replicas hold the classes in order.
        best = kernels.largest_column(ops.transpose(found[:, 0]), labels.dtype)
        return kernels.true_values(ops.transpose(found[:, 1]), best)

    def _gathered(self, embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The embeddings and labels of all replicas' images."""
        rows = self.replicas.gather_rows(keras.ops.cast(embeddings, "float32"))
        # Apart from the embeddings, and integers: a float32 knows no label above 2^24.
        return rows, self.replicas.gather_rows(labels)

    def _first(self, dtype: Any) -> Tensor:
        """This replica's first class."""
        return keras.ops.cast(self.replicas.own, dtype) * self.shards.size

    def _without_padding(self, values: Tensor, filler: float) -> Tensor:
        """`(batch, size)`, the columns of no class filled."""
        if not self.shards.padded:
            return values
        classes = self._first("int32") + keras.ops.arange(self.shards.size, dtype="int32")
        return keras.ops.where(classes < self.num_classes, values, filler)


class ShardedArcFaceHead(_ClassSharded, ArcFaceHead):
    """`ArcFaceHead`, its classes split over the replicas."""


class ShardedCurricularFaceHead(_ClassSharded, CurricularFaceHead):
    """`CurricularFaceHead`, its classes split over the replicas.

    t is one for all replicas, a moving average over the images of all.
    """


SHARDED_KINDS: Mapping[str, type[ArcFaceHead]] = {
    "arcface": ShardedArcFaceHead,
    "subcenter": ShardedArcFaceHead,
    "curricular": ShardedCurricularFaceHead,
}
