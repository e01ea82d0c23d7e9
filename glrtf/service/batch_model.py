"""A model called with batches of a few fixed lengths, so that nothing is traced twice."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from glrtf.inference.embedder import Embedder
from glrtf.inference.host_views import embed_on_host


class BatchModel:
    """Embeds any number of images in batches of a few lengths, at most a fourth of each padding.

    Args:
        embedder: The model.
        views: Names of views to add up.
        max_batch: Most images of one call.

    Attributes:
        embedder: The model.
        lengths: The lengths of batches, ascending.
        num_traces: How often the model was traced.
    """

    def __init__(self, embedder: Embedder, views: Sequence[str], max_batch: int = 32) -> None:
        self.embedder = embedder
        self.lengths = _lengths(max_batch)
        self._views = views
        self._functions: dict[int, Callable[[np.ndarray], np.ndarray]] = {}
        self.num_traces = 0

    def warm(self) -> None:
        """Traces and runs every length once, so that no request waits for it."""
        if not self.embedder.in_graph:
            return  # It ran once when it was loaded.
        for length in self.lengths:
            self._run(np.zeros(self._shape(length), np.uint8))

    def __call__(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Rows float32 (n, d), of length 1, of images uint8 (size, size, 3), as sets have them."""
        most = self.lengths[-1]
        rows = [np.empty((0, self.embedder.dimension), np.float32)]
        for start in range(0, len(images), most):
            chunk = images[start : start + most]
            if not self.embedder.in_graph:
                rows.append(embed_on_host(self.embedder, [np.stack(chunk)], self._views))
                continue
            length = next(each for each in self.lengths if each >= len(chunk))
            padded = np.zeros(self._shape(length), np.uint8)
            padded[: len(chunk)] = chunk
            rows.append(self._run(padded)[: len(chunk)])
        return self.embedder.finished(np.concatenate(rows))

    def _run(self, images: np.ndarray) -> np.ndarray:
        length = len(images)
        if length not in self._functions:
            self._functions[length] = self._traced(length)
        return self._functions[length](images)

    def _traced(self, length: int) -> Callable[[np.ndarray], np.ndarray]:
        """The model for batches of one length; a concrete function cannot be traced again."""
        import tensorflow as tf

        from glrtf.inference.tta import embed_views

        def embed(images: Any) -> Any:
            self.num_traces += 1
            return embed_views(self.embedder.embed, [images], self._views, self.embedder.unit_views)

        images = tf.TensorSpec(self._shape(length), tf.uint8)
        function = tf.function(embed, autograph=False).get_concrete_function(images)
        return lambda images: function(tf.constant(images)).numpy()

    def _shape(self, length: int) -> tuple[int, int, int, int]:
        return (length, *self.embedder.input.shape)


def _lengths(most: int) -> list[int]:
    """1 to 4, then four to each doubling: 5, 6, 7, 8, 10, 12, 14, 16, 20, …; the last is `most`."""
    steps = [quarters << power for power in range(most.bit_length()) for quarters in (4, 5, 6, 7)]
    return sorted({*range(1, min(most, 4) + 1), *(each for each in steps if each < most), most})
