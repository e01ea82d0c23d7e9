"""A small stand-in for the retrieval model, for tests of the training mechanics."""

from typing import Any


def tiny_model(
    num_classes: int = 5,
    *,
    batch_norm: bool = False,
    dropout: float = 0.0,
    seed: int = 0,
    sync: bool = False,
) -> Any:
    """A convolution, a dense embedding and an ArcFace head; images of any size."""
    import keras

    from glrtf.models.heads import build_head
    from glrtf.models.retrieval_model import RetrievalModel, UnitRows

    images = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(
        4, 3, kernel_initializer=keras.initializers.GlorotUniform(seed=seed), name="conv"
    )(images)
    if batch_norm:
        x = keras.layers.BatchNormalization(momentum=0.5, synchronized=sync, name="norm")(x)
    x = keras.layers.Activation("swish")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    if dropout:
        x = keras.layers.Dropout(dropout, seed=seed + 1, name="dropout")(x)
    x = keras.layers.Dense(
        6, kernel_initializer=keras.initializers.GlorotUniform(seed=seed + 2), name="embedding"
    )(x)
    embedding = keras.Model(images, UnitRows()(x), name="tiny")
    head = build_head("arcface", num_classes, scale=8.0, margin=0.3, seed=seed + 3)
    return RetrievalModel(embedding, head)
