"""SuperGlobal's pooling put onto a trained model: GeM+, regional GeM and scale GeM.

Shao et al., ICCV 2023 (arXiv 2308.06954), with the constants of the published code (gemp.py,
rgem.py and sgem.py of ShihaoShao-GH/SuperGlobal at 6db11a7). Nothing is trained:

    GeM+           generalised-mean pooling with another power than the trained one (4.6)
    regional GeM   each place of the feature map becomes the mean of itself and of the generalised
                   mean (power 2.5) of the 5 × 5 places around it, mirrored at the border
    scale GeM      the image at several sizes; of the unit embeddings the maximum of each number
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from glrtf.config.keras_settings import keras
from glrtf.models.pooling import GeMPooling
from glrtf.models.retrieval_model import UnitRows
from tfrecords_tools.errors import UserError

Tensor: TypeAlias = Any

REGION = 5
REGION_POWER = 2.5
_POOLING = "pooling"


@keras.saving.register_keras_serializable(package="glrtf")
class RegionalGeM(keras.layers.Layer):
    """Regional GeM of maps `(batch, height, width, channels)`, float32 in the same shape.

    Its power is a weight that is not trained, so that a digest of weights tells models with and
    without it apart.
    """

    def __init__(self, epsilon: float = 1e-6, **kwargs: object) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.epsilon = epsilon

    def build(self, input_shape: tuple) -> None:
        """Makes the power, a scalar."""
        self.power = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(REGION_POWER),
            trainable=False,
            name="power",
        )

    def call(self, features: Tensor) -> Tensor:
        """Mixes each place with its region."""
        features = keras.ops.cast(features, "float32")
        power = keras.ops.convert_to_tensor(self.power)
        margin = REGION // 2
        widths = [[0, 0], [margin, margin], [margin, margin], [0, 0]]
        around = keras.ops.pad(keras.ops.maximum(features, self.epsilon), widths, mode="reflect")
        means = keras.ops.average_pool(
            keras.ops.power(around, power), REGION, strides=1, padding="valid"
        )
        return 0.5 * keras.ops.power(means, 1.0 / power) + 0.5 * features

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """The input's shape."""
        return input_shape

    def get_config(self) -> dict:
        """What rebuilds the layer."""
        return {**super().get_config(), "epsilon": self.epsilon}


@keras.saving.register_keras_serializable(package="glrtf")
class ScaleGeM(keras.layers.Layer):
    """The maximum over scales: a list of `(batch, d)` unit rows to `(batch, d)` float32.

    The sides are a weight that is not trained, for the digest of weights.
    """

    def __init__(self, sides: Sequence[int], **kwargs: object) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.sides = tuple(sides)

    def build(self, input_shape: Any) -> None:
        """Makes the sides, (scales,)."""
        self.kept_sides = self.add_weight(
            shape=(len(self.sides),),
            initializer=lambda shape, dtype=None: keras.ops.array(self.sides, dtype),
            trainable=False,
            name="sides",
        )

    def call(self, rows: Sequence[Tensor]) -> Tensor:
        """The largest of each number."""
        return keras.ops.max(keras.ops.stack(list(rows)), axis=0)

    def get_config(self) -> dict:
        """What rebuilds the layer."""
        return {**super().get_config(), "sides": self.sides}


def with_pooling(
    model: keras.Model,
    size: int,
    *,
    gem_power: float = 0.0,
    regional: bool = False,
    sides: Sequence[int] = (),
) -> keras.Model:
    """An embedding model with other pooling and the same weights.

    Args:
        model: As `build_embedding_model` makes it; with `sides`, one that takes any size.
        size: Side of its square input in pixels.
        gem_power: Power of the pooling; 0 keeps the trained pooling.
        regional: Whether regional GeM precedes the pooling.
        sides: Sides at which every image is embedded; none for `size` alone.

    Returns:
        Float RGB in [0, 1] `(batch, size, size, 3)` -> unit rows `(batch, d)` float32.

    Raises:
        UserError: If the model's backbone gives no feature maps, or too small ones, or sides are
            given for a model of one size.
    """
    network = model.layers[1]
    place = [layer.name for layer in model.layers].index(_POOLING)
    pooling, tail = model.layers[place], model.layers[place + 1 :]
    if sides and model.input_shape[1] is not None:
        raise UserError("--scale_gem: expected a backbone that takes any size, found one of one")
    if gem_power:
        pooling = GeMPooling(gem_power, name="gem_plus", trainable=False)
    region = RegionalGeM(name="regional_gem", trainable=False) if regional else None

    def embed(images: Tensor) -> Tensor:
        features = network(images)
        if len(features.shape) != 4:
            raise UserError(
                "--gem_power, --regional_gem: expected a backbone that gives feature maps, found "
                f"features of {len(features.shape)} axes"
            )
        if region is not None:
            if min(features.shape[1:3]) <= REGION // 2:
                raise UserError(
                    f"--regional_gem: expected feature maps of more than {REGION // 2} places a "
                    f"side, found {features.shape[1]} x {features.shape[2]} at "
                    f"{images.shape[1]} pixels; choose larger images"
                )
            features = region(features)
        rows = pooling(features)
        for layer in tail:
            rows = layer(rows)
        return rows

    images = keras.Input((size, size, 3), name="images")
    if not sides:
        return keras.Model(images, embed(images), name=f"{model.name}_pooled")
    rows = [embed(_resized(images, size, side)) for side in sides]
    maximum = ScaleGeM(sides, name="scale_gem", trainable=False)(rows)
    outputs = UnitRows(name="unit_rows_of_scales")(maximum)
    return keras.Model(images, outputs, name=f"{model.name}_pooled")


def _resized(images: Tensor, size: int, side: int) -> Tensor:
    """Square images of another size: bilinear, over all pixels that a new one covers.

    Two products with constant weights, since LiteRT has no antialiased resizing to convert to.
    """
    if side == size:
        return images
    weights = _triangle_weights(size, side).T
    across = keras.ops.matmul(keras.ops.transpose(images, (0, 3, 1, 2)), weights)
    down = keras.ops.matmul(keras.ops.transpose(across, (0, 1, 3, 2)), weights)
    return keras.ops.transpose(down, (0, 3, 2, 1))


def _triangle_weights(size: int, side: int) -> npt.NDArray[np.float32]:
    """The share of each of `size` pixels in each of `side` new ones, (side, size).

    A triangle around the new pixel's centre, as wide as two new pixels or, if these are smaller,
    two old ones; the kernel of TensorFlow's and JAX's antialiased resizing.
    """
    step = size / side
    centres = (np.arange(side) + 0.5) * step
    distances = np.abs(np.arange(size) + 0.5 - centres[:, None]) / max(step, 1.0)
    weights = np.maximum(1.0 - distances, 0.0)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
