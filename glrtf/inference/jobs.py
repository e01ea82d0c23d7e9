"""A model, its runner and the embedding set that it fills."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from glrtf.config.inference import EmbedConfig
from glrtf.data.input_spec import InputSpec
from glrtf.inference.embedder import Embedder


class Runner(Protocol):
    """Embeds batches of any length up to one on an engine's devices."""

    @property
    def total_batch(self) -> int:
        """Images of a whole batch."""

    @property
    def specs(self) -> Sequence[InputSpec]:
        """How the images are made at each scale."""

    def __call__(self, *scaled: Any) -> Any:
        """Starts embedding images, n ≤ total_batch of them, at each scale; see `rows`.

        Args:
            *scaled: The same images made by each of `specs`, uint8 (n, *spec.shape).
        """

    def rows(self, result: Any, count: int) -> np.ndarray:
        """Waits for a result and returns its rows, float32 (count, d)."""


@dataclasses.dataclass(frozen=True)
class Job:
    """One model and the embedding set that it fills.

    Attributes:
        embedder: The model.
        runner: Runs it on its devices.
        folder: The set's folder.
        in_float32: Loads the same model in float32, on the same devices and runtime; None if it
            computes in float32 already.
    """

    embedder: Embedder
    runner: Runner
    folder: str
    in_float32: Callable[[], Job] | None = None

    def checked_by(self, config: EmbedConfig, load: Callable[[EmbedConfig], Job]) -> Job:
        """The same job, with `in_float32` if it computes in reduced precision.

        Args:
            config: The settings that it was loaded with.
            load: Loads it with other settings.
        """
        if self.embedder.precision == "float32":
            return self
        runtime = "openvino" if self.embedder.runtime == "openvino" else config.runtime
        exact = dataclasses.replace(config, precision="float32", runtime=runtime)
        return dataclasses.replace(self, in_float32=lambda: load(exact))
