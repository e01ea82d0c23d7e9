"""A model that is called with batches of a few fixed lengths, so that it is not traced again."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from glrtf.data.input_spec import InputSpec
from glrtf.inference.embedder import Embedder
from glrtf.inference.host_views import embed_on_host
from glrtf.inference.sides import scaled_side
from glrtf.service.photo_input import Prepared


class BatchModel:
    """Embeds any number of images in batches of a few lengths; at most a quarter is padding.

    Args:
        embedder: The model.
        views: Names of the views to sum.
        max_batch: The largest number of images per call.
        scales: Every view is embedded at each of these multiples of the model's input size.

    Attributes:
        embedder: The model.
        specs: How its inputs are made, one per scale.
        lengths: The lengths of batches, ascending.
        num_traces: How often the model was traced.
    """

    def __init__(
        self,
        embedder: Embedder,
        views: Sequence[str],
        max_batch: int = 32,
        scales: Sequence[float] = (1.0,),
    ) -> None:
        self.embedder = embedder
        self.specs: list[InputSpec] = [
            embedder.spec(scaled_side(embedder.size, scale, embedder.stride)) for scale in scales
        ]
        self.lengths = _lengths(max_batch)
        self._views = views
        self._functions: dict[int, Callable[[list[np.ndarray]], np.ndarray]] = {}
        self.num_traces = 0

    @property
    def digest(self) -> str:
        """SHA-256 that changes with the model."""
        return self.embedder.digest

    def warm(self) -> None:
        """Traces and runs every length once, so that no request waits for it."""
        if not self.embedder.in_graph:
            return  # Such a model was run when it was loaded.
        for length in self.lengths:
            self._run([np.zeros((length, *spec.shape), np.uint8) for spec in self.specs])

    def __call__(self, photos: Sequence[Prepared]) -> np.ndarray:
        """Embeds photos prepared by `specs`: float32 rows (n, d) of length 1, as in sets."""
        most = self.lengths[-1]
        rows = [np.empty((0, self.embedder.dimension), np.float32)]
        for start in range(0, len(photos), most):
            chunk = photos[start : start + most]
            scaled = [np.stack(each) for each in zip(*map(_inputs, chunk), strict=True)]
            if not self.embedder.in_graph:
                rows.append(embed_on_host(self.embedder, scaled, self._views))
                continue
            length = next(each for each in self.lengths if each >= len(chunk))
            padding = ((0, length - len(chunk)), (0, 0), (0, 0), (0, 0))
            rows.append(self._run([np.pad(each, padding) for each in scaled])[: len(chunk)])
        return self.embedder.finished(np.concatenate(rows))

    def _run(self, scaled: list[np.ndarray]) -> np.ndarray:
        length = len(scaled[0])
        if length not in self._functions:
            self._functions[length] = self._traced(length)
        return self._functions[length](scaled)

    def _traced(self, length: int) -> Callable[[list[np.ndarray]], np.ndarray]:
        """The model for batches of one length; a concrete function is never traced again."""
        import tensorflow as tf

        from glrtf.inference.tta import embed_views

        def embed(*scaled: Any) -> Any:
            self.num_traces += 1
            return embed_views(self.embedder.embed, scaled, self._views, self.embedder.unit_views)

        inputs = [tf.TensorSpec((length, *spec.shape), tf.uint8) for spec in self.specs]
        function = tf.function(embed, autograph=False).get_concrete_function(*inputs)
        return lambda scaled: function(*map(tf.constant, scaled)).numpy()


def _inputs(photo: Prepared) -> tuple[np.ndarray, ...]:
    return photo if isinstance(photo, tuple) else (photo,)


def _lengths(most: int) -> list[int]:
    """1 to 4, then four lengths per doubling: 5, 6, 7, 8, 10, 12, 14, 16, 20, … up to `most`."""
    steps = [quarters << power for power in range(most.bit_length()) for quarters in (4, 5, 6, 7)]
    return sorted({*range(1, min(most, 4) + 1), *(each for each in steps if each < most), most})
