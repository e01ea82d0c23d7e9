"""Settings of `glrtf.whiten`."""

import dataclasses
from typing import Literal


@dataclasses.dataclass
class WhitenConfig:
    """Turns embedding sets into shorter, whitened ones by a PCA of the train rows.

    Sets of several models are joined first, as glrtf.retrieve joins them. Written
    are OUTPUT/train, query and index, one set each, and OUTPUT/whitening.npz.

    Attributes:
        train: Embedding sets of the train images, one a model; the PCA is fitted on them.
        output: Folder for the whitened sets and the transformation.
        dimension: How many numbers a whitened row has.
        query: Embedding sets of the test images, one a model in the same order.
        index: Embedding sets of the index images, one a model in the same order.
        votes: How much each model counts; alike when left out.
        max_rows: How many train rows, spread evenly, the PCA is fitted on; 0 takes all.
        verify: Whether the sets' files are compared with their digests once, as long as they
            stand unchanged, or always.
    """

    train: list[str]
    output: str
    dimension: int
    query: list[str] = dataclasses.field(default_factory=list)
    index: list[str] = dataclasses.field(default_factory=list)
    votes: list[float] = dataclasses.field(default_factory=list)
    max_rows: int = 200_000
    verify: Literal["once", "always"] = "once"

    def __post_init__(self) -> None:
        """Refuses values outside their range."""
        if not self.train:
            raise ValueError("train: expected at least one embedding set, found none")
        if self.dimension < 1:
            raise ValueError(f"dimension: expected 1 or more, found {self.dimension}")
        if self.max_rows < 0:
            raise ValueError(f"max_rows: expected 0 or more, found {self.max_rows}")
