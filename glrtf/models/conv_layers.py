"""Layers of convolutional networks, whose initial weights depend on seed and name alone."""

import zlib
from typing import Any

from glrtf.config.keras_settings import keras
from glrtf.models import kernels

_ACTIVATIONS: dict[str, Any] = {"swish": kernels.swish, "sigmoid": kernels.sigmoid}
"""Those that each engine has its own of; Keras knows others by name."""


class ConvLayers:
    """Adds layers of convolutional networks to a functional graph, all with one seed and policy.

    Args:
        seed: Of initial weights and of stochastic depth.
        sync_batchnorm: Whether batch statistics are taken over all replicas.
        dtype: The layers' dtype policy; None uses the global one.
    """

    def __init__(self, seed: int, sync_batchnorm: bool, dtype: object) -> None:
        self._seed = seed
        self._sync = sync_batchnorm
        self._dtype = dtype

    def conv(
        self,
        x: keras.KerasTensor,
        filters: int,
        kernel_size: int,
        strides: int,
        name: str,
    ) -> keras.KerasTensor:
        """A convolution without bias, padded as TensorFlow's SAME."""
        return keras.layers.Conv2D(
            filters,
            kernel_size,
            kernel_initializer=self._initializer(name),
            **self._unbiased(strides, name),
        )(x)

    def depthwise(
        self, x: keras.KerasTensor, kernel_size: int, strides: int, name: str
    ) -> keras.KerasTensor:
        """A convolution of each channel alone."""
        return keras.layers.DepthwiseConv2D(
            kernel_size,
            depthwise_initializer=self._initializer(name),
            **self._unbiased(strides, name),
        )(x)

    def norm(self, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        """BatchNorm."""
        return kernels.BatchNormalization(
            momentum=0.9,
            epsilon=1e-3,
            synchronized=self._sync,
            dtype=self._dtype,
            name=name,
        )(x)

    def activate(self, x: keras.KerasTensor, name: str, kind: str = "swish") -> keras.KerasTensor:
        """An activation by name."""
        activation = _ACTIVATIONS.get(kind, kind)
        return keras.layers.Activation(activation, dtype=self._dtype, name=name)(x)

    def conv_norm(
        self,
        x: keras.KerasTensor,
        filters: int,
        kernel_size: int,
        strides: int,
        prefix: str,
        activation: str = "swish",
    ) -> keras.KerasTensor:
        """A convolution, BatchNorm and, where one is named, an activation."""
        x = self.conv(x, filters, kernel_size, strides, f"{prefix}conv")
        x = self.norm(x, f"{prefix}bn")
        return self.activate(x, f"{prefix}activation", activation) if activation else x

    def squeeze_excite(
        self, x: keras.KerasTensor, filters: int, reduced: int, name: str
    ) -> keras.KerasTensor:
        """Squeeze and excitation (Hu et al., arXiv 1709.01507)."""
        layers = keras.layers
        gate = layers.GlobalAveragePooling2D(
            keepdims=True, dtype=self._dtype, name=f"{name}se_squeeze"
        )(x)
        for suffix, width, activation in (
            ("se_reduce", reduced, "swish"),
            ("se_expand", filters, "sigmoid"),
        ):
            gate = layers.Conv2D(
                width,
                1,
                activation=_ACTIVATIONS[activation],
                kernel_initializer=self._initializer(name + suffix),
                dtype=self._dtype,
                name=name + suffix,
            )(gate)
        return layers.Multiply(dtype=self._dtype, name=f"{name}se_excite")([x, gate])

    def residual(
        self, x: keras.KerasTensor, inputs: keras.KerasTensor, block: str, drop_rate: float
    ) -> keras.KerasTensor:
        """Adds a block's input to its output, which stochastic depth drops at a rate."""
        if drop_rate:
            x = keras.layers.Dropout(
                drop_rate,
                noise_shape=(None, 1, 1, 1),
                seed=self._seed_of(block),
                dtype=self._dtype,
                name=f"{block}drop",
            )(x)
        return keras.layers.Add(dtype=self._dtype, name=f"{block}add")([x, inputs])

    def _unbiased(self, strides: int, name: str) -> dict[str, Any]:
        """The arguments of all convolutions that are followed by BatchNorm."""
        return {
            **{"strides": strides, "padding": "same", "use_bias": False},
            **{"dtype": self._dtype, "name": name},
        }

    def _initializer(self, name: str) -> keras.initializers.Initializer:
        return keras.initializers.VarianceScaling(
            scale=2.0, mode="fan_out", distribution="truncated_normal", seed=self._seed_of(name)
        )

    def _seed_of(self, name: str) -> int:
        return zlib.crc32(f"{self._seed}/{name}".encode()) & 0x7FFFFFFF
