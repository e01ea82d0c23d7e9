"""Training of adapters: a small map on frozen rows, streamed from disk, with a margin head."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from glrtf.config.adapting import AdaptConfig
from glrtf.config.keras_settings import keras
from glrtf.embeddings.rows import RowSource
from glrtf.models.heads import ArcFaceHead, build_head
from tfrecords_tools.errors import UserError
from tfrecords_tools.progress import Progress

Layer: TypeAlias = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]

_BLOCK = 1024
"""Rows that are read together, in their order on disk."""
_BLOCKS_SHUFFLED = 64
"""Blocks whose rows are in memory together, in random order."""
_HEAD_RATE = 30.0
"""The head starts from random weights and the map does not: the head's rate is this many times as
high."""


def train(
    rows: RowSource, labels: npt.NDArray[np.int64], start: Layer, config: AdaptConfig
) -> tuple[Layer, ...]:
    """Trains a map.

    Args:
        rows: The train rows.
        labels: (rows,) landmarks, or -1 for rows that are left out.
        start: The affine map (weight (d, k), bias (k,)) that training begins with.
        config: The settings.

    Returns:
        The layers of the map.

    Raises:
        UserError: If the loss is no longer finite.
    """
    classes, numbers = np.unique(labels[labels >= 0], return_inverse=True)
    of_row = np.full(len(labels), -1)
    of_row[labels >= 0] = numbers
    layers = start_layers(start, config)
    head = build_head(
        config.head, len(classes), scale=config.scale, margin=config.margin, seed=config.seed
    )
    head.build((None, layers[-1][1].shape[0]))
    step = _step(layers, head, config, len(numbers))
    draw = np.random.default_rng(config.seed)
    loss = tf.constant(0.0)
    with Progress("train adapter", config.epochs * len(numbers), "row") as progress:
        for _ in range(config.epochs):
            for batch, batch_labels in batches(rows, of_row, config.batch_size, draw):
                loss = step(tf.constant(batch), tf.constant(batch_labels))
                progress.update(len(batch))
    if not np.isfinite(float(loss)):
        raise UserError(
            f"--learning_rate {config.learning_rate:g}: the loss is no longer finite; choose a"
            " smaller one"
        )
    return tuple((weight.numpy(), bias.numpy()) for weight, bias in layers)


def start_layers(start: Layer, config: AdaptConfig) -> list[tuple[keras.Variable, keras.Variable]]:
    """The map's variables, which compute the affine map `start`.

    With a hidden layer, relu(y) - relu(-y) = y of the affine map's y, and further hidden units
    start with random weights whose outputs are not used yet.
    """
    # Mapped rows are divided by their lengths, so only the rate's size depends on the scale:
    # that of a matrix with orthonormal columns.
    scale = np.sqrt(start[0].shape[1]) / np.linalg.norm(start[0])
    weight, bias = start[0] * scale, start[1] * scale
    if config.kind == "linear":
        return [_variables(weight, bias)]
    size = len(bias)
    draw = np.random.default_rng(config.seed)
    further = draw.normal(0, len(weight) ** -0.5, (len(weight), config.hidden))
    into = np.concatenate([weight, -weight, further], axis=1)
    out = np.concatenate([np.eye(size), -np.eye(size), np.zeros((config.hidden, size))])
    layers = [(into, np.concatenate([bias, -bias, np.zeros(config.hidden)])), (out, bias * 0)]
    return [_variables(matrix, added) for matrix, added in layers]


def _variables(weight: np.ndarray, bias: np.ndarray) -> tuple[keras.Variable, keras.Variable]:
    return (
        keras.Variable(np.float32(weight), name="weight"),
        keras.Variable(np.float32(bias), name="bias"),
    )


def batches(
    rows: RowSource,
    labels: npt.NDArray[np.int64],
    batch_size: int,
    draw: np.random.Generator,
) -> Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]]:
    """One pass over the labelled rows in random order.

    Blocks of consecutive rows are read in random order, and the rows of several blocks are shuffled
    together.

    Args:
        rows: The rows.
        labels: (rows,) classes; -1 for rows that are left out.
        batch_size: Rows of a batch; the last one may be smaller.
        draw: Determines the order.

    Yields:
        (n, d) float32 and (n,) int32.
    """
    blocks = [
        (part, start, first + start)
        for part, first in enumerate(np.cumsum([0, *rows.part_lengths])[:-1].tolist())
        for start in range(0, rows.part_lengths[part], _BLOCK)
    ]
    order = draw.permutation(len(blocks))
    left: list[np.ndarray] = []
    left_labels: list[np.ndarray] = []
    for begin in range(0, len(order), _BLOCKS_SHUFFLED):
        for number in order[begin : begin + _BLOCKS_SHUFFLED]:
            part, start, first = blocks[number]
            stop = min(start + _BLOCK, rows.part_lengths[part])
            wanted = labels[first : first + stop - start]
            if (wanted >= 0).any():
                left.append(rows.read(part, start, stop)[wanted >= 0])
                left_labels.append(wanted[wanted >= 0])
        if not left:
            continue
        pool, pool_labels = np.concatenate(left), np.concatenate(left_labels)
        mixed = draw.permutation(len(pool))
        last = begin + _BLOCKS_SHUFFLED >= len(order)
        whole = len(pool) if last else len(pool) // batch_size * batch_size
        for place in range(0, whole, batch_size):
            taken = mixed[place : min(place + batch_size, whole)]
            yield pool[taken], pool_labels[taken].astype(np.int32)
        left, left_labels = [pool[mixed[whole:]]], [pool_labels[mixed[whole:]]]


def _step(
    layers: Sequence[tuple[keras.Variable, keras.Variable]],
    head: ArcFaceHead,
    config: AdaptConfig,
    num_rows: int,
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """One update: rows and labels in, the mean loss out."""
    updates = config.epochs * -(-num_rows // config.batch_size)
    of_map = [each for layer in layers for each in layer]
    optimizers = []
    for rate, variables in (
        (config.learning_rate, of_map),
        (config.learning_rate * _HEAD_RATE, head.trainable_variables),
    ):
        adam = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, updates))
        adam.build(variables)
        optimizers.append((adam, variables))

    signature = [tf.TensorSpec([None, layers[0][0].shape[0]], tf.float32)]
    signature.append(tf.TensorSpec([None], tf.int32))

    @tf.function(input_signature=signature, autograph=False)
    def step(batch: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(head.losses(mapped(batch, layers), labels, training=True)[0])
        gradients = tape.gradient(loss, [v for _, some in optimizers for v in some])
        for optimizer, variables in optimizers:
            own, gradients = gradients[: len(variables)], gradients[len(variables) :]
            optimizer.apply(own, variables)
        return loss

    return step


def mapped(batch: tf.Tensor, layers: Sequence[tuple[keras.Variable, keras.Variable]]) -> tf.Tensor:
    """Rows (n, d) mapped to (n, k) of length 1, as `Adapter.apply` does."""
    for number, (weight, bias) in enumerate(layers):
        if number:
            batch = tf.nn.relu(batch)
        batch = batch @ tf.convert_to_tensor(weight) + tf.convert_to_tensor(bias)
    return tf.math.l2_normalize(batch, axis=1, epsilon=1e-12)
