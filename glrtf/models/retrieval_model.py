"""Backbone, pooling and embedding; with a head on top while training."""

from collections.abc import Sequence
from typing import Any, TypeAlias

from glrtf.config.backbone_names import family, plain_name
from glrtf.config.keras_settings import keras
from glrtf.config.training import TrainConfig
from glrtf.models.backbones import build_backbone, deep_recursion
from glrtf.models.distillation import Distillation
from glrtf.models.heads import KINDS, ArcFaceHead, Pairing, build_head
from glrtf.models.kernels import Replicas, unit_rows
from glrtf.models.necks import add_neck
from glrtf.models.pooling import build_pooling
from glrtf.models.remat import RematerialisedModel
from glrtf.models.sharded_head import SHARDED_KINDS

Tensor: TypeAlias = Any


@keras.saving.register_keras_serializable(package="glrtf")
class UnitRows(keras.layers.Layer):
    """Divides each row by its Euclidean length; `(batch, d)` float32 in and out."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, rows: Tensor) -> Tensor:
        """The rows, each of length 1; a row of zeros stays so."""
        return unit_rows(rows)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """The input's shape."""
        return input_shape


def build_embedding_model(
    backbone: str,
    size: int | None,
    *,
    embedding_dim: int = 512,
    pooling: str = "avg",
    dropout: float = 0.2,
    drop_connect_rate: float = 0.2,
    sync_batchnorm: bool = False,
    precision: str = "float32",
    seed: int = 0,
    neck: str = "none",
) -> keras.Model:
    """Builds the model that is left after training.

    Args:
        backbone: As of `build_backbone`.
        size: Side of the square input in pixels; None leaves it open.
        embedding_dim: Length of an embedding.
        pooling: `avg`, `gem` or `cls`; see `build_pooling`.
        dropout: Rate before the embedding layer.
        drop_connect_rate: Rate of stochastic depth at the last block.
        sync_batchnorm: Whether batch statistics are taken over all replicas.
        precision: `float32` or `mixed_bfloat16`, of the backbone; what follows
            the pooling is float32 always.
        seed: Of initial weights, dropout and stochastic depth.
        neck: What follows the embedding layer; see `add_neck`.

    Returns:
        A functional model, float RGB in [0, 1] `(batch, size, size, 3)` ->
        unit rows `(batch, embedding_dim)` float32.
    """
    network = build_backbone(
        backbone,
        size,
        drop_connect_rate=drop_connect_rate,
        sync_batchnorm=sync_batchnorm,
        seed=seed,
        dtype=keras.DTypePolicy(precision),
    )
    images = keras.Input((size, size, 3), name="images")
    features = network(images)
    x = build_pooling(pooling, rank=len(features.shape))(features)
    x = keras.layers.Dropout(dropout, seed=seed + 1, dtype="float32", name="dropout")(x)
    x = keras.layers.Dense(
        embedding_dim,
        kernel_initializer=keras.initializers.GlorotUniform(seed=seed + 2),
        dtype="float32",
        name="embedding",
    )(x)
    x = add_neck(x, neck, sync_batchnorm)
    with deep_recursion():
        outputs = UnitRows(name="unit_rows")(x)
        return keras.Model(images, outputs, name=f"{plain_name(backbone)}_{size or 'any'}")


def embedding_model_from_config(
    config: TrainConfig, precision: str = "float32", any_size: bool = False
) -> keras.Model:
    """The embedding model that a training run's settings describe.

    Args:
        config: The run's settings.
        precision: `float32` or `mixed_bfloat16`, of the backbone.
        any_size: Leaves the input's size open, for a run in stages, where the backbone can.
    """
    known = family(config.backbone)
    any_size = any_size and known is not None and known.any_size
    return build_embedding_model(
        config.backbone,
        None if any_size else config.size,
        embedding_dim=config.embedding_dim,
        pooling=config.pooling,
        dropout=config.dropout,
        drop_connect_rate=config.drop_connect_rate,
        sync_batchnorm=config.sync_batchnorm,
        precision=precision,
        seed=config.seed,
        neck=config.neck,
    )


def head_from_config(
    config: TrainConfig,
    num_classes: int,
    margin: float | Sequence[float],
    replicas: Replicas | None = None,
) -> ArcFaceHead:
    """The head that a training run's settings describe.

    Args:
        config: The run's settings.
        num_classes: Number of classes.
        margin: The margin in radians, one for all or one a class.
        replicas: Over which classes are split, where they are; None for those of the strategy.
    """
    sharded = config.head_sharding == "classes"
    head = build_head(
        config.head,
        num_classes,
        scale=config.scale,
        margin=margin,
        num_centers=config.num_centers,
        seed=config.seed + 3,
        kinds=SHARDED_KINDS if sharded else KINDS,
    )
    if sharded and replicas is not None:
        head.replicas = replicas
    return head


class RetrievalModel(keras.layers.Layer):
    """An embedding model with a training head: what `glrtf train` takes gradients of.

    A layer, not a `keras.Model`: `fit` and `predict` would know nothing of its labels and its
    reduced gradients. For embeddings take `embedding_model`, which is one.

    Args:
        embedding_model: Images in [0, 1] to unit rows.
        head: Unit rows and labels to losses.
        remat: Whether the backward pass recomputes each block's activations.
        distillation: Compares embeddings with another descriptor's rows; None for none.
    """

    def __init__(
        self,
        embedding_model: keras.Model,
        head: ArcFaceHead,
        remat: bool = False,
        distillation: Distillation | None = None,
    ) -> None:
        super().__init__(name="retrieval_model")
        self.embedding_model = embedding_model
        self._embed = RematerialisedModel(embedding_model) if remat else embedding_model
        self.head = head
        head.build(embedding_model.output_shape)
        head.built = True
        self.distillation = distillation
        if distillation is not None:
            distillation.built = True
        self.built = True

    def call(
        self,
        images: Tensor,
        labels: Tensor,
        pairing: Pairing | None = None,
        rows: Tensor | None = None,
        training: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Losses of the images and whether their nearest class is right, `(batch,)` float32 each.

        See `ArcFaceHead.losses`; `rows` are those that `Distillation` takes.
        """
        embeddings = self._embed(images, training=training)
        if self.distillation is None or rows is None:
            return self.head.losses(embeddings, labels, pairing, training=training)
        distances = self.distillation(embeddings, rows, pairing)
        # Without a weight of its own the head only follows the embeddings.
        weight = self.distillation.label_weight
        seen = embeddings if weight else keras.ops.stop_gradient(embeddings)
        losses, right = self.head.losses(seen, labels, pairing, training=training)
        return (weight or 1.0) * losses + self.distillation.weight * distances, right
