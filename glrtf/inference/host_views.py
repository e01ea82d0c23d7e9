"""Sums views outside TensorFlow, for models that ONNX Runtime, LiteRT or OpenVINO runs."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from glrtf.data.input_spec import ForeignSpec
from glrtf.inference.embedder import Embedder

Rows = npt.NDArray[np.float32]


def embed_on_host(
    embedder: Embedder, scaled: Sequence[npt.NDArray[np.uint8]], views: Sequence[str]
) -> Rows:
    """Like `glrtf.inference.tta.embed_views`, on NumPy arrays.

    Args:
        embedder: A model that is not `in_graph`.
        scaled: The same images at each scale, uint8 (b, *spec.shape).
        views: Names of views.

    Returns:
        Float32 (b, d), rows of length 1.
    """
    spec = embedder.input
    if isinstance(spec, ForeignSpec) and spec.resize == "keep":
        photos = zip(*([off_canvas(one) for one in images] for images in scaled), strict=True)
        rows = [_added(embedder, [one[None] for one in photo], views) for photo in photos]
        return np.concatenate(rows) if rows else np.empty((0, embedder.dimension), np.float32)
    return _added(embedder, scaled, views)


class HostRunner:
    """`extraction.BatchRunner` for a model that is not `in_graph`: one replica, on the CPU.

    Args:
        embedder: The model.
        views: Names of the views to sum.
        batch_size: Images per batch.
        scales: Factors on the model's input size; every view is
            embedded at each.

    Attributes:
        total_batch: Images of a whole batch.
        specs: How the images are made at each scale.
    """

    def __init__(
        self,
        embedder: Embedder,
        views: Sequence[str],
        batch_size: int,
        scales: Sequence[float] = (1.0,),
    ) -> None:
        self._embedder = embedder
        self._views = views
        self.total_batch = batch_size
        self.specs = embedder.specs(scales)

    def __call__(self, *scaled: Any) -> Rows:
        """Embeds images, TensorFlow's or NumPy's, uint8 (n, *spec.shape), at each scale."""
        return embed_on_host(self._embedder, [np.asarray(images) for images in scaled], self._views)

    def rows(self, result: Rows, count: int) -> Rows:
        """The rows of a result; there are `count` of them."""
        assert len(result) == count
        return result


def unit(rows: Rows) -> Rows:
    """Rows divided by their length; a row of zeros stays zero."""
    lengths = np.sqrt(np.maximum(np.square(rows).sum(-1, keepdims=True), 1e-12))
    return rows / lengths


def _added(
    embedder: Embedder, scaled: Sequence[npt.NDArray[np.uint8]], views: Sequence[str]
) -> Rows:
    each: Callable[[Rows], Rows] = unit if embedder.unit_views else lambda rows: rows
    rows = [each(embedder.embed(_view(images, name))) for images in scaled for name in views]
    return unit(np.sum(rows, axis=0, dtype=np.float32))


def _view(images: npt.NDArray[np.uint8], name: str) -> npt.NDArray[np.uint8]:
    return {"plain": images, "hflip": images[:, :, ::-1]}[name]


def off_canvas(canvas: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The photo of one canvas of `glrtf.data.padding`."""
    head = canvas[0].reshape(-1)[:4].astype(int)
    return canvas[1 : head[0] * 256 + head[1] + 1, : head[2] * 256 + head[3]]
