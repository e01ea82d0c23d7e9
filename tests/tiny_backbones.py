"""Backbones as a function gives them: ``tiny_backbones:maps`` and its siblings."""


def _model(size, kind):
    import keras

    images = keras.Input((size, size, 3))
    maps = keras.layers.Conv2D(6, 4, strides=4, name="conv")(images)
    if kind == "tokens":
        maps = keras.layers.Reshape((-1, 6))(maps)
    elif kind == "rows":
        maps = keras.layers.GlobalAveragePooling2D()(maps)
    return keras.Model(images, maps)


def maps(size):
    """Features (n, h, w, 6)."""
    return _model(size, "maps")


def tokens(size):
    """Features (n, t, 6)."""
    return _model(size, "tokens")


def rows(size):
    """Features (n, 6)."""
    return _model(size, "rows")


def nothing(size):
    """No model."""
    return size
