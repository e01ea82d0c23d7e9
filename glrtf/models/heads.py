"""Training-only heads: unit embeddings -> class logits with an angular margin.

Every head keeps labels as integers and changes only what the margin changes: the true logit is
gathered, modified and scattered back, so 203,094 classes need neither a one-hot matrix nor a stored
copy of the normalised weights.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from glrtf.config.keras_settings import keras
from glrtf.models import kernels
from glrtf.models.margins import add_angular_margin

Tensor: TypeAlias = Any

# How each image of a batch is mixed: the row of its partner (batch,) int32, and its own share
# (batch,) float32.
Pairing: TypeAlias = tuple[Tensor, Tensor]


class ArcFaceHead(keras.layers.Layer):
    """ArcFace, optionally with several centres per class and a margin per class.

    Called with embeddings `(batch, dimension)` and labels `(batch,)`; returns `(logits, cosines)`,
    both `(batch, num_classes)` float32. The cosines have no margin; the margin-free accuracy is
    computed from them.

    Args:
        num_classes: Number of classes.
        scale: The factor s on the logits.
        margin: The angular margin m in radians: one for all, or one per class.
        num_centers: Centres per class; a class's cosine is that of its nearest centre (sub-center
            ArcFace, Deng et al., ECCV 2020).
        seed: Of the initial weights.

    Attributes:
        unlabelled: Whether images may have the label -1, for none; set it before training. Such an
            image has no loss, and accuracy is that of the others.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        scale: float = 30.0,
        margin: float | Sequence[float] = 0.6,
        num_centers: int = 1,
        seed: int = 0,
        name: str = "head",
    ) -> None:
        super().__init__(dtype="float32", name=name)
        self.num_classes = num_classes
        self.scale = scale
        self.margin = margin
        self.num_centers = num_centers
        self.unlabelled = False
        self._seed = seed
        if not isinstance(margin, (int, float)) and len(margin) != num_classes:
            raise ValueError(f"margin: expected {num_classes} values, found {len(margin)}")

    def build(self, input_shape: tuple, *_: object) -> None:
        """Creates the centres, `(num_centers · num_classes, dimension)`, centre-major."""
        self.initial_centers = keras.initializers.GlorotUniform(seed=self._seed)
        self.centers = self.make_centers(input_shape[-1])

    def make_centers(self, dimension: int) -> keras.Variable:
        """The variable of the centres."""
        return self.add_weight(
            shape=(self.num_centers * self.num_classes, dimension),
            initializer=self.initial_centers,
            name="centers",
        )

    def cosine(self, embeddings: Tensor) -> Tensor:
        """Margin-free cosines `(batch, num_classes)` float32, of the nearest centre each."""
        ops = keras.ops
        result = kernels.cosines(ops.cast(embeddings, "float32"), kernels.tensor_of(self.centers))
        if self.num_centers == 1:
            return result
        shape = (-1, self.num_centers, result.shape[1] // self.num_centers)
        return ops.max(ops.reshape(result, shape), axis=1)

    def logits(
        self,
        cosine: Tensor,
        labels: Tensor,
        training: bool = False,
        known: Tensor | None = None,
    ) -> Tensor:
        """Logits with margin, `(batch, num_classes)` float32, from the cosines without.

        Args:
            cosine: As `cosine` returns them.
            labels: `(batch,)` int, each in [0, num_classes).
            training: Whether what the head keeps may move.
            known: `(batch,)` bool, which labels are an image's own; None for all. The head keeps
                nothing of the others.
        """
        margin = self.margin_of(labels)
        return kernels.bend_true_logits(
            cosine,
            self.columns(labels),
            self.scale,
            lambda true: self.where_here(labels, add_angular_margin(true, margin), true),
        )

    def call(
        self, embeddings: Tensor, labels: Tensor, training: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Logits with margin and cosines without."""
        cosine = self.cosine(embeddings)
        return self.logits(cosine, labels, training), cosine

    def losses(
        self,
        embeddings: Tensor,
        labels: Tensor,
        pairing: Pairing | None = None,
        training: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Cross entropy with margin, and whether the nearest class is the right one.

        Args:
            embeddings: `(batch, dimension)` of unit rows.
            labels: `(batch,)` int; see `unlabelled`.
            pairing: Where images are mixed, with which others: the loss is then
                share · loss(own label) + (1 - share) · loss(partner's), and right is the
                label of the larger share.
            training: Whether what the head keeps may move.

        Returns:
            `(batch,)` float32 each. The mean of the second is the accuracy: it is scaled where
            images have no label.
        """
        cosine = self.cosine(embeddings)
        losses = self._label_losses(cosine, labels, training)
        if pairing is not None:
            partner, share = pairing
            others = keras.ops.take(labels, partner)
            of_others = self._label_losses(cosine, others)
            losses = share * losses + (1 - share) * of_others
            labels = keras.ops.where(share < 0.5, others, labels)
        right = self.nearest_is(cosine, labels)
        return losses, self._of_labelled(right, labels) if self.unlabelled else right

    def _label_losses(self, cosine: Tensor, labels: Tensor, training: bool = False) -> Tensor:
        """Cross entropy with margin, `(batch,)`; 0 without label."""
        if not self.unlabelled:
            return self.cross_entropy(self.logits(cosine, labels, training), labels)
        known, some = labels >= 0, keras.ops.maximum(labels, 0)
        losses = self.cross_entropy(self.logits(cosine, some, training, known), some)
        return keras.ops.where(known, losses, keras.ops.zeros_like(losses))

    @staticmethod
    def _of_labelled(right: Tensor, labels: Tensor) -> Tensor:
        """`(batch,)`, 0 without label, whose mean is that of the images with one."""
        ops = keras.ops
        known = ops.cast(labels >= 0, "float32")
        return right * known / ops.maximum(ops.mean(known), 1e-6)

    def plain_losses(self, embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """As `losses`, without margin: for validation."""
        cosine = self.cosine(embeddings)
        losses = self.cross_entropy(cosine * self.scale, labels)
        return losses, self.nearest_is(cosine, labels)

    def margin_of(self, labels: Tensor) -> Tensor:
        """The margin of each label, `(batch,)` or a scalar, float32."""
        if isinstance(self.margin, (int, float)):
            return keras.ops.convert_to_tensor(self.margin, "float32")
        return keras.ops.take(keras.ops.convert_to_tensor(self.margin, "float32"), labels)

    def columns(self, labels: Tensor) -> Tensor:
        """In which column of the cosines each label's lies, `(batch,)`."""
        return labels

    def where_here(self, labels: Tensor, here: Tensor, elsewhere: Tensor) -> Tensor:
        """`here` for the labels whose column is among these cosines: all, unless split."""
        return here

    def true_cosines(self, cosine: Tensor, labels: Tensor) -> Tensor:
        """Each label's cosine, `(batch,)`."""
        return kernels.true_values(cosine, self.columns(labels))

    def cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Cross entropy of the softmax over all classes, `(batch,)`."""
        return kernels.cross_entropy(logits, labels)

    def nearest_is(self, cosine: Tensor, labels: Tensor) -> Tensor:
        """Whether the nearest of all classes is the label's, `(batch,)` float32."""
        nearest = kernels.largest_column(cosine, labels.dtype)
        return keras.ops.cast(nearest == labels, "float32")


class CurricularFaceHead(ArcFaceHead):
    """CurricularFace (Huang et al., arXiv 2004.00288): hard negatives gain weight with time.

    A negative cosine c above the true class's cos(θ + m) becomes c · (t + c);
    t is a moving average (momentum 0.99) of the true cosines, one weight that
    is not trained.
    """

    def build(self, input_shape: tuple, *_: object) -> None:
        """Makes the centres and t."""
        super().build(input_shape)
        self.progress = self.add_weight(
            shape=(), initializer="zeros", trainable=False, name="progress"
        )

    def logits(
        self,
        cosine: Tensor,
        labels: Tensor,
        training: bool = False,
        known: Tensor | None = None,
    ) -> Tensor:
        """Logits with margin and hard negatives raised; in training t moves first."""
        ops, columns = keras.ops, self.columns(labels)
        true = self.true_cosines(cosine, labels)
        bent = add_angular_margin(true, self.margin_of(labels))
        progress = kernels.tensor_of(self.progress)
        if training:
            seen = ops.stop_gradient(true)
            if known is None:
                mean = ops.mean(seen)
            else:
                # Without any label in the batch, t stays.
                number = ops.sum(ops.cast(known, "float32"))
                total = ops.sum(ops.where(known, seen, ops.zeros_like(seen)))
                mean = ops.where(number > 0, total / ops.maximum(number, 1.0), progress)
            progress = 0.01 * mean + 0.99 * progress
            self.progress.assign(progress)
        hard = cosine > ops.stop_gradient(bent)[:, None]
        raised = ops.where(hard, cosine * (progress + cosine), cosine)
        values = self.where_here(labels, bent, kernels.true_values(raised, columns))
        return kernels.with_true_values(raised, columns, values) * self.scale


KINDS: Mapping[str, type[ArcFaceHead]] = {
    "arcface": ArcFaceHead,
    "subcenter": ArcFaceHead,
    "curricular": CurricularFaceHead,
}


def build_head(
    kind: str,
    num_classes: int,
    *,
    scale: float,
    margin: float | Sequence[float],
    num_centers: int = 1,
    seed: int = 0,
    kinds: Mapping[str, type[ArcFaceHead]] = KINDS,
) -> ArcFaceHead:
    """The head of that kind.

    Args:
        kind: `arcface`, `subcenter` or `curricular`.
        num_classes: Number of classes.
        scale: The factor s on the logits.
        margin: The margin in radians, one for all or one a class.
        num_centers: Centres a class, for `subcenter`.
        seed: Of the initial weights.
        kinds: The class of each kind, such as those that split classes over replicas.

    Raises:
        ValueError: If there is no head of that kind.
    """
    if kind not in kinds:
        raise ValueError(f"head: expected one of {', '.join(kinds)}, found {kind!r}")
    return kinds[kind](
        num_classes,
        scale=scale,
        margin=margin,
        num_centers=num_centers if kind == "subcenter" else 1,
        seed=seed,
    )
