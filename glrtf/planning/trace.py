"""One forward and backward pass of a training configuration, traced but never run."""

import contextlib
from typing import Any

import numpy as np

from glrtf.config.training import TrainConfig
from glrtf.planning.estimate import Workload
from glrtf.planning.graph_cost import GraphCost, graph_cost

# Per weight: the moments of Adam and its relatives, SGD's momentum.
_OPTIMIZER_SLOTS = {"adam": 2, "adamw": 2, "lamb": 2, "sgd": 1}

# Large enough that nothing is simplified away, as may happen to a batch of one.
_TRACED_BATCH = 2

# Every count grows linearly with the classes, so a small head is enough to extrapolate to a
# head of millions, whose weights would not fit this machine. The same holds for a head whose
# classes are split over n replicas: each has an n-th of the classes, for n times the images, and so
# as many logits, products and kept bytes as the whole head has for its own images.
_TRACED_CLASSES = 1024


def trace_workload(
    config: TrainConfig,
    num_classes: int,
    *,
    precision: str = "mixed_bfloat16",
    fused: bool = True,
) -> Workload:
    """Builds the model, traces a micro-batch and counts it.

    Args:
        config: The training configuration; its own precision is ignored.
        num_classes: How many classes the head has.
        precision: The precision that the device trains in; mixed_bfloat16 on TPUs.
        fused: See `graph_cost`.
    """
    from glrtf.models.retrieval_model import (
        RetrievalModel,
        embedding_model_from_config,
        head_from_config,
    )

    embedding_model = embedding_model_from_config(config, precision=precision)
    head = head_from_config(config, _TRACED_CLASSES, config.margin)
    model = RetrievalModel(embedding_model, head, remat=config.remat == "blocks")
    whole = _trace(model, (_TRACED_BATCH, config.size, config.size, 3), fused)
    more_classes = (num_classes - _TRACED_CLASSES) / _TRACED_CLASSES
    small, large = (_trace_head(config, n * _TRACED_CLASSES, fused) for n in (1, 2))
    centers = config.num_centers if config.head == "subcenter" else 1
    of_head = num_classes * config.embedding_dim * centers
    sharded = config.head_sharding == "classes"
    return Workload(
        num_parameters=_count(embedding_model.trainable_variables) + of_head,
        num_sharded=of_head if sharded else 0,
        exchanged_per_image=2 * config.embedding_dim if sharded else 0,
        num_state=_count(model.non_trainable_variables),
        optimizer_slots=_OPTIMIZER_SLOTS[config.optimizer],
        has_ema=config.ema_momentum > 0,
        micro_batch=config.micro_batch,
        accumulation_steps=config.accumulation_steps,
        image_side=config.size,
        pass_cost=_extrapolate(whole, small, large, more_classes),
        traced_batch=_TRACED_BATCH,
        # The figures are for TPUs. Without XLA, every small step moves memory.
        augment=config.augment if fused else None,
    )


def _trace_head(config: TrainConfig, num_classes: int, fused: bool) -> GraphCost:
    """The cost of a head, including gradients for the embeddings."""
    from glrtf.config.keras_settings import keras
    from glrtf.models.retrieval_model import RetrievalModel, head_from_config

    dimension = config.embedding_dim
    embeddings = keras.Sequential([keras.Input([dimension]), keras.layers.Dense(dimension)])
    model = RetrievalModel(embeddings, head_from_config(config, num_classes, config.margin))
    return _trace(model, (_TRACED_BATCH, dimension), fused)


def _trace(model: Any, shape: tuple[int, ...], fused: bool) -> GraphCost:
    """The cost of a model's loss and gradients on inputs of that shape."""
    import tensorflow as tf

    from glrtf.models.kernels.tensorflow_norm import traced_for_tpu

    @tf.function(autograph=False)
    def one_pass(inputs: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            losses, _ = model(inputs, labels, training=True)
            loss = tf.reduce_mean(losses)
        return loss, tape.gradient(loss, model.trainable_variables)

    inputs, labels = tf.TensorSpec(shape, tf.float32), tf.TensorSpec(shape[:1], tf.int32)
    with traced_for_tpu() if fused else contextlib.nullcontext():
        graph = one_pass.get_concrete_function(inputs, labels).graph
    return graph_cost(graph, fused=fused)


def _extrapolate(base: GraphCost, small: GraphCost, large: GraphCost, times: float) -> GraphCost:
    """`base` with `times` the difference from `small` to `large` added, never below 0."""

    def grown(name: str) -> int:
        slope = getattr(large, name) - getattr(small, name)
        return max(0, round(getattr(base, name) + slope * times))

    by_type = dict(base.flops_by_type)
    for kind, count in large.flops_by_type.items():
        slope = count - small.flops_by_type.get(kind, 0)
        by_type[kind] = max(0, round(by_type.get(kind, 0) + slope * times))
    return GraphCost(
        forward_flops=grown("forward_flops"),
        backward_flops=grown("backward_flops"),
        kept_bytes=grown("kept_bytes"),
        flops_by_type=by_type,
    )


def _count(variables: list) -> int:
    return sum(int(np.prod(variable.shape, dtype=np.int64)) for variable in variables)
