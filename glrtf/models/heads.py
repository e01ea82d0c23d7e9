"""Training-only heads: unit embeddings -> class logits with an angular margin.

Every head keeps labels as integers and changes only what the margin changes:
the true logit is gathered, bent and put back, so that 203,094 classes cost no
one-hot matrix and no kept copy of the normalised weights.
"""

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from glrtf.models.cosine import cosines

# 1 - cos² of a float32 cosine is only known to about 1e-7; below, the slope of
# the square root is noise.
_SMALLEST_SQUARED_SINE = 1e-7


def bend_true_logits(
    cosine: tf.Tensor,
    labels: tf.Tensor,
    scale: float,
    bend: Callable[[tf.Tensor], tf.Tensor],
) -> tf.Tensor:
    """`scale · cos`, the true class's cosine bent first.

    Args:
        cosine: `(batch, classes)` float32.
        labels: `(batch,)` int, each in [0, classes).
        scale: The factor s on all logits.
        bend: From the true cosines `(batch,)` to their replacements.

    Returns:
        `(batch, classes)` float32 logits.
    """
    places = tf.stack([tf.range(tf.shape(labels)[0], dtype=labels.dtype), labels], axis=1)

    # Autodiff would build a matrix of zeros for the gather and another for the
    # scatter; only the true entries' slope differs from `scale`.
    @tf.custom_gradient
    def bent(cosine: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        true = tf.gather_nd(cosine, places)
        with tf.GradientTape() as tape:
            tape.watch(true)
            replaced = bend(true)
        slope = tape.gradient(replaced, true)
        logits = tf.tensor_scatter_nd_update(cosine * scale, places, replaced * scale)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            at_true = tf.gather_nd(upstream, places) * slope * scale
            return tf.tensor_scatter_nd_update(upstream * scale, places, at_true)

        return logits, gradient

    return bent(cosine)


def add_angular_margin(cosine: tf.Tensor, margin: tf.Tensor | float) -> tf.Tensor:
    """cos(θ + m) while θ + m ≤ π, else cos θ − m·sin m (ArcFace, arXiv 1801.07698).

    The second branch keeps the function falling in θ. Slopes are finite at
    cos θ = ±1.

    Args:
        cosine: cos θ, any shape, float32; rounding beyond ±1 is cut off.
        margin: m in radians, of a shape that broadcasts.
    """
    cosine = tf.clip_by_value(cosine, -1.0, 1.0)
    squared_sine = (1.0 - cosine) * (1.0 + cosine)
    sine = tf.sqrt(tf.maximum(squared_sine, _SMALLEST_SQUARED_SINE))
    margin = tf.convert_to_tensor(margin, cosine.dtype)
    bent = cosine * tf.cos(margin) - sine * tf.sin(margin)
    # θ + m ≤ π  ⇔  cos θ ≥ cos(π − m) = −cos m.
    return tf.where(cosine >= -tf.cos(margin), bent, cosine - margin * tf.sin(margin))


class ArcFaceHead(keras.layers.Layer):
    """ArcFace, with several centres a class and a margin per class as options.

    Called with embeddings `(batch, dimension)` and labels `(batch,)`; gives
    `(logits, cosines)`, both `(batch, num_classes)` float32. The cosines know
    no margin: they are what the margin-free accuracy is counted on.

    Args:
        num_classes: How many classes there are.
        scale: The factor s on the logits.
        margin: The angular margin m in radians: one for all, or one a class.
        num_centers: Centres a class; a class's cosine is that of its nearest
            (sub-center ArcFace, Deng et al., ECCV 2020).
        seed: Of the initial weights.
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
        self._seed = seed
        if not isinstance(margin, (int, float)) and len(margin) != num_classes:
            raise ValueError(f"margin: expected {num_classes} values, found {len(margin)}")

    def build(self, input_shape: tuple, *_: object) -> None:
        """Makes the centres, `(num_centers · num_classes, dimension)`, centre-major."""
        self.centers = self.add_weight(
            shape=(self.num_centers * self.num_classes, input_shape[-1]),
            initializer=keras.initializers.GlorotUniform(seed=self._seed),
            name="centers",
        )

    def cosine(self, embeddings: tf.Tensor) -> tf.Tensor:
        """Margin-free cosines `(batch, num_classes)` float32, of the nearest centre each."""
        result = cosines(
            tf.cast(embeddings, tf.float32), tf.convert_to_tensor(self.centers, tf.float32)
        )
        if self.num_centers == 1:
            return result
        shape = (-1, self.num_centers, self.num_classes)
        return tf.reduce_max(tf.reshape(result, shape), axis=1)

    def call(
        self, embeddings: tf.Tensor, labels: tf.Tensor, training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Logits with margin and cosines without."""
        cosine = self.cosine(embeddings)
        margin = self.margin_of(labels)
        logits = bend_true_logits(
            cosine, labels, self.scale, lambda true: add_angular_margin(true, margin)
        )
        return logits, cosine

    def margin_of(self, labels: tf.Tensor) -> tf.Tensor:
        """The margin of each label, `(batch,)` or a scalar, float32."""
        if isinstance(self.margin, (int, float)):
            return tf.constant(self.margin, tf.float32)
        return tf.gather(tf.constant(self.margin, tf.float32), labels)


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

    def call(
        self, embeddings: tf.Tensor, labels: tf.Tensor, training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Logits with margin and hard negatives raised, and cosines without."""
        cosine = self.cosine(embeddings)
        true = tf.gather(cosine, labels, axis=1, batch_dims=1)
        bent = add_angular_margin(true, self.margin_of(labels))
        progress = tf.convert_to_tensor(self.progress)
        if training:
            progress = 0.01 * tf.reduce_mean(tf.stop_gradient(true)) + 0.99 * progress
            self.progress.assign(progress)
        hard = cosine > tf.stop_gradient(bent)[:, tf.newaxis]
        raised = tf.where(hard, cosine * (progress + cosine), cosine)
        places = tf.stack([tf.range(tf.shape(labels)[0], dtype=labels.dtype), labels], axis=1)
        return tf.tensor_scatter_nd_update(raised, places, bent) * self.scale, cosine


def margins_from_counts(
    counts: Sequence[int], smallest: float = 0.05, largest: float = 0.5
) -> list[float]:
    """A margin for each class, larger for rarer ones, by 1 / √√count.

    As the winner of Google Landmark Retrieval 2021 (arXiv 2110.03786's line of
    dynamic margins): m = a · count^(-1/4) + b, with a and b such that the
    rarest class gets `largest` and the commonest `smallest`.

    Args:
        counts: Training images of each class; a class without any counts as 1.
        smallest: The commonest class's margin in radians.
        largest: The rarest class's margin in radians.
    """
    powers = [max(count, 1) ** -0.25 for count in counts]
    low, high = min(powers), max(powers)
    if high == low:
        return [largest] * len(powers)
    return [smallest + (largest - smallest) * (p - low) / (high - low) for p in powers]


def build_head(
    kind: str,
    num_classes: int,
    *,
    scale: float,
    margin: float | Sequence[float],
    num_centers: int = 1,
    seed: int = 0,
) -> ArcFaceHead:
    """The head of that kind.

    Args:
        kind: `arcface`, `subcenter` or `curricular`.
        num_classes: How many classes there are.
        scale: The factor s on the logits.
        margin: The margin in radians, one for all or one a class.
        num_centers: Centres a class, for `subcenter`.
        seed: Of the initial weights.

    Raises:
        ValueError: If there is no head of that kind.
    """
    kinds = {"arcface": ArcFaceHead, "subcenter": ArcFaceHead, "curricular": CurricularFaceHead}
    if kind not in kinds:
        raise ValueError(f"head: expected one of {', '.join(kinds)}, found {kind!r}")
    return kinds[kind](
        num_classes,
        scale=scale,
        margin=margin,
        num_centers=num_centers if kind == "subcenter" else 1,
        seed=seed,
    )
