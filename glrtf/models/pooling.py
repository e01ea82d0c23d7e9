"""From a feature map to one vector an image."""

from glrtf.config.keras_settings import keras
from tfrecords_tools.errors import UserError


@keras.saving.register_keras_serializable(package="glrtf")
class GeMPooling(keras.layers.Layer):
    """Generalised-mean pooling (Radenović et al., arXiv 1711.02512) with a trainable power.

    `(mean over places of max(x, epsilon)^p)^(1/p)`: p = 1 is average pooling
    (of positive features), p → ∞ is max pooling. One p for all channels.

    Input `(batch, height, width, channels)` or `(batch, tokens, channels)`, output
    `(batch, channels)` float32: powers of bfloat16 would lose the mean.
    """

    def __init__(self, initial_power: float = 3.0, epsilon: float = 1e-6, **kwargs: object) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.initial_power = initial_power
        self.epsilon = epsilon

    def build(self, input_shape: tuple) -> None:
        """Makes the power, a scalar."""
        self.power = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(self.initial_power),
            # Below 1 the mean turns towards the minimum and 1/p explodes.
            constraint=AtLeastOne(),
            name="power",
        )

    def call(self, features: keras.KerasTensor) -> keras.KerasTensor:
        """Pools all places to `(batch, channels)`."""
        x = keras.ops.maximum(keras.ops.cast(features, "float32"), self.epsilon)
        power = keras.ops.convert_to_tensor(self.power)
        axes = tuple(range(1, len(features.shape) - 1))
        return keras.ops.power(keras.ops.mean(keras.ops.power(x, power), axis=axes), 1.0 / power)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """`(batch, channels)`."""
        return (input_shape[0], input_shape[-1])

    def get_config(self) -> dict:
        """What rebuilds the layer."""
        return {
            **super().get_config(),
            "initial_power": self.initial_power,
            "epsilon": self.epsilon,
        }


@keras.saving.register_keras_serializable(package="glrtf")
class AtLeastOne(keras.constraints.Constraint):
    """Keeps a weight at 1 or above."""

    def __call__(self, value: keras.KerasTensor) -> keras.KerasTensor:
        """The projected weight."""
        return keras.ops.maximum(value, 1.0)


@keras.saving.register_keras_serializable(package="glrtf")
class FirstToken(keras.layers.Layer):
    """The class token of a transformer: `(batch, tokens, channels)` to `(batch, channels)`."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, tokens: keras.KerasTensor) -> keras.KerasTensor:
        """The first token, float32."""
        return keras.ops.cast(tokens[:, 0], "float32")


def build_pooling(kind: str, name: str = "pooling", rank: int = 4) -> keras.layers.Layer:
    """The pooling layer of that kind, float32 out.

    Args:
        kind: `avg` (global average), `gem` (generalised mean) or `cls` (the first token).
        name: The layer's name.
        rank: Of what it pools: 4 for maps, 3 for tokens, 2 for rows, which stay as they are.

    Raises:
        ValueError: If there is no pooling of that kind.
        UserError: If that kind means nothing to features of that rank.
    """
    if kind not in ("avg", "gem", "cls"):
        raise ValueError(f"pooling: expected avg, gem or cls, found {kind!r}")
    if (rank == 2 and kind != "avg") or (rank == 4 and kind == "cls"):
        what = "one row for each image" if rank == 2 else "maps, not tokens"
        raise UserError(f"--pooling {kind}: expected avg for a backbone that gives {what}")
    if rank == 2:
        return keras.layers.Identity(dtype="float32", name=name)
    if kind == "cls":
        return FirstToken(name=name)
    if kind == "gem":
        return GeMPooling(name=name)
    layer = (
        keras.layers.GlobalAveragePooling2D if rank == 4 else keras.layers.GlobalAveragePooling1D
    )
    return layer(dtype="float32", name=name)
