"""Small stand-ins for the retrieval model."""

from typing import Any

EMBEDDING_SIZE = 32


def tiny_model(
    num_classes: int = 5,
    *,
    batch_norm: bool = False,
    dropout: float = 0.0,
    seed: int = 0,
    sync: bool = False,
    head: str = "arcface",
    sharded: bool = False,
    replicas: Any = None,
    row_width: int = 0,
) -> Any:
    """A convolution, a dense embedding and a head; images of any size.

    With `row_width` it also learns from rows of that length, through a learned projection.
    """
    import keras

    from glrtf.config.distillation import DistillConfig
    from glrtf.models import kernels
    from glrtf.models.distillation import Distillation
    from glrtf.models.heads import KINDS, build_head
    from glrtf.models.retrieval_model import RetrievalModel, UnitRows
    from glrtf.models.sharded_head import SHARDED_KINDS

    images = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(
        4, 3, kernel_initializer=keras.initializers.GlorotUniform(seed=seed), name="conv"
    )(images)
    if batch_norm:
        x = kernels.BatchNormalization(momentum=0.5, synchronized=sync, name="norm")(x)
    x = keras.layers.Activation("swish")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    if dropout:
        x = keras.layers.Dropout(dropout, seed=seed + 1, name="dropout")(x)
    x = keras.layers.Dense(
        6, kernel_initializer=keras.initializers.GlorotUniform(seed=seed + 2), name="embedding"
    )(x)
    embedding = keras.Model(images, UnitRows()(x), name="tiny")
    kinds = SHARDED_KINDS if sharded else KINDS
    classes = build_head(head, num_classes, scale=8.0, margin=0.3, seed=seed + 3, kinds=kinds)
    if replicas is not None:
        classes.replicas = replicas
    distillation = None
    if row_width:
        settings = DistillConfig(rows="set", weight=2.0, projection="learned")
        distillation = Distillation(settings, row_width, 6, seed=seed + 4)
    return RetrievalModel(embedding, classes, distillation=distillation)


def tiny_embedding_model(config: Any, precision: str = "float32", any_size: bool = False) -> Any:
    """In place of `embedding_model_from_config`, for whole runs that compile in a second."""
    import keras

    from glrtf.models import kernels
    from glrtf.models.retrieval_model import UnitRows

    size = None if any_size else config.size
    images = keras.Input((size, size, 3))
    convolution = keras.layers.Conv2D(
        4, 3, strides=2, kernel_initializer=keras.initializers.GlorotUniform(seed=1), name="conv"
    )
    features = convolution(images)
    x = keras.Model(images, features, name=f"backbone_{config.backbone}")(images)
    x = kernels.BatchNormalization(momentum=0.5, name="norm")(x)
    x = keras.layers.Activation("swish")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pooling")(x)
    x = keras.layers.Dense(
        config.embedding_dim,
        kernel_initializer=keras.initializers.GlorotUniform(seed=2),
        name="embedding",
    )(x)
    return keras.Model(images, UnitRows()(x), name="tiny")


def make_model(seed: int = 0, dimension: int = 16) -> Any:
    """A small network of the kind that is embedded with: [0, 1] images to unit rows."""
    import keras

    keras.utils.set_random_seed(seed)
    images = keras.Input((EMBEDDING_SIZE, EMBEDDING_SIZE, 3))
    x = keras.layers.Rescaling(2.0, offset=-1.0)(images)
    x = keras.layers.Conv2D(8, 5, strides=2, activation="relu")(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(dimension)(x)
    return keras.Model(images, keras.layers.UnitNormalization()(x))
