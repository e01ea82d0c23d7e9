"""From a feature map to one vector an image."""

from glrtf.config.keras_settings import keras


@keras.saving.register_keras_serializable(package="glrtf")
class GeMPooling(keras.layers.Layer):
    """Generalised-mean pooling (Radenović et al., arXiv 1711.02512) with a trainable power.

    `(mean over places of max(x, epsilon)^p)^(1/p)`: p = 1 is average pooling
    (of positive features), p → ∞ is max pooling. One p for all channels.

    Input `(batch, height, width, channels)`, output `(batch, channels)`
    float32: powers of bfloat16 would lose the mean.
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
        """Pools `(batch, height, width, channels)` to `(batch, channels)`."""
        x = keras.ops.maximum(keras.ops.cast(features, "float32"), self.epsilon)
        power = keras.ops.convert_to_tensor(self.power)
        return keras.ops.power(keras.ops.mean(keras.ops.power(x, power), axis=(1, 2)), 1.0 / power)

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


def build_pooling(kind: str, name: str = "pooling") -> keras.layers.Layer:
    """The pooling layer of that kind, float32 out.

    Args:
        kind: `avg` (global average) or `gem` (generalised mean).
        name: The layer's name.

    Raises:
        ValueError: If there is no pooling of that kind.
    """
    if kind == "avg":
        return keras.layers.GlobalAveragePooling2D(dtype="float32", name=name)
    if kind == "gem":
        return GeMPooling(name=name)
    raise ValueError(f"pooling: expected avg or gem, found {kind!r}")
