"""What stands between the embedding layer and the row of length 1."""

from typing import Any, TypeAlias

from glrtf.config.keras_settings import keras
from glrtf.models import kernels

Tensor: TypeAlias = Any

# As the backbones' own: short runs move the statistics far enough.
_MOMENTUM = 0.9
_SLOPE = 0.25


def add_neck(embeddings: Tensor, kind: str, sync_batchnorm: bool = False) -> Tensor:
    """Adds the neck of that kind.

    Args:
        embeddings: `(batch, embedding_dim)` float32 of the embedding layer.
        kind: `none`; `bn`, BatchNorm without offset (BNNeck: Luo et al. 2019, arXiv
            1903.07071); or `prelu`, BatchNorm and PReLU with one slope, which begins at 0.25.
        sync_batchnorm: Whether batch statistics are taken over all replicas.

    Raises:
        ValueError: If there is no neck of that kind.
    """
    if kind not in ("none", "bn", "prelu"):
        raise ValueError(f"neck: expected none, bn or prelu, found {kind!r}")
    if kind == "none":
        return embeddings
    rows = kernels.BatchNormalization(
        momentum=_MOMENTUM,
        epsilon=1e-5,
        center=kind == "prelu",
        synchronized=sync_batchnorm,
        dtype="float32",
        name="neck_norm",
    )(embeddings)
    if kind == "bn":
        return rows
    slope = keras.initializers.Constant(_SLOPE)
    return keras.layers.PReLU(
        alpha_initializer=slope, shared_axes=[1], dtype="float32", name="neck_prelu"
    )(rows)
