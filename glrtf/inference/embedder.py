"""What embedding asks of a model and of the devices that run it."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np

from glrtf.data.input_spec import InputSpec
from glrtf.data.records import BadRecords
from glrtf.data.shards import ShardSet

Precision: TypeAlias = Literal["float32", "bfloat16"]


@dataclasses.dataclass(frozen=True)
class Embedder:
    """A model ready to embed.

    Attributes:
        name: Where it came from.
        size: Side of its input in pixels.
        dimension: Length of its rows.
        digest: SHA-256 of its weights.
        embed: Images uint8 (b, size, size, 3) to float32 (b, dimension).
        source: Keeps the loaded model alive.
        max_side: As of `InputSpec`.
        antialias: As of `InputSpec`.
        precision: Of the network's arithmetic, float32 or bfloat16.
    """

    name: str
    size: int
    dimension: int
    digest: str
    embed: Callable[[Any], Any]
    source: Any
    max_side: int | None = None
    antialias: bool = False
    precision: Precision = "float32"

    def spec(self, size: int | None = None) -> InputSpec:
        """How a photo becomes its input, or one of another size."""
        return InputSpec(size or self.size, self.max_side, self.antialias)


class Runner(Protocol):
    """Embeds batches on an engine's devices."""

    @property
    def total_batch(self) -> int:
        """Images of a whole batch."""

    @property
    def specs(self) -> Sequence[InputSpec]:
        """How the images at each scale are made."""

    def __call__(self, *scaled: Any) -> Any:
        """Starts embedding images, n ≤ total_batch of them, at each scale; see `rows`.

        Args:
            *scaled: The same images made by each of `specs`, uint8 (n, side, side, 3).
        """

    def rows(self, result: Any, count: int) -> np.ndarray:
        """The float32 (count, d) rows of a result, waited for."""

    def batches(
        self, shard_set: ShardSet, specs: Sequence[InputSpec], bad: BadRecords
    ) -> Iterator[tuple[Sequence[Any], np.ndarray]]:
        """One pass over shards in their order.

        Args:
            shard_set: What to read.
            specs: How each image is made; of all models.
            bad: Takes note of broken records.

        Returns:
            Images for each of `specs`, at most total_batch of them, and their ids, bytes.
        """
