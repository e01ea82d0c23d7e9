"""Settings of `glrtf whiten`."""

import dataclasses
from typing import Literal


@dataclasses.dataclass
class WhitenConfig:
    """Whitens embedding sets: by a PCA of the train rows, or by their landmarks.

    Sets of several models are joined first, as glrtf retrieve joins them. The output is one set
    each in OUTPUT/train, query and index, and the transformation, OUTPUT/whitening.npz and
    adapter.json. With --landmarks the whitening reduces the variation between photos of the same
    landmark; it is also fitted on each half of the landmarks and measured on the other half, and
    the mAP@100 before and after is printed.

    Attributes:
        train: Embedding sets of the train images, one per model; the whitening is fitted on them.
        output: Folder for the whitened sets and the transformation.
        dimension: Length of a whitened row; with landmarks 0 keeps all, and fewer favour the
            landmarks of the train images over all others.
        landmarks: train.csv or train_clean.csv: whitens the variation within landmarks.
        shrinkage: With landmarks, how much of the covariance is replaced by its mean variance in
            all directions, 0 to 1.
        center: With landmarks, the point that is subtracted: the mean of the photos, or of the
            landmarks' means, where a landmark with many photos counts no more than another.
        power: Of the PCA: rows are divided by variance^(power/2); 1 whitens, 0 only rotates.
        query: Embedding sets of the test images, one per model in the same order.
        index: Embedding sets of the index images, one per model in the same order.
        votes: The weight of each model; equal if left out.
        max_rows: How many train rows, spread evenly, the PCA is fitted on; 0 uses all. With
            landmarks, rows of whole landmarks.
        verify: Whether the sets' files are compared with their digests once, as long as they
            are unchanged, or always.
    """

    train: list[str]
    output: str
    dimension: int = 0
    landmarks: str = ""
    shrinkage: float = 0.5
    center: Literal["photos", "landmarks"] = "photos"
    power: float = 1.0
    query: list[str] = dataclasses.field(default_factory=list)
    index: list[str] = dataclasses.field(default_factory=list)
    votes: list[float] = dataclasses.field(default_factory=list)
    max_rows: int = 200_000
    verify: Literal["once", "always"] = "once"

    def __post_init__(self) -> None:
        """Refuses values outside their range."""
        if not self.train:
            raise ValueError("train: expected at least one embedding set, found none")
        if self.dimension < 0 or (self.dimension == 0 and not self.landmarks):
            raise ValueError(f"dimension: expected 1 or more, found {self.dimension}")
        if not 0 <= self.shrinkage <= 1:
            raise ValueError(f"shrinkage: expected 0 to 1, found {self.shrinkage:g}")
        if not 0 <= self.power <= 2:
            raise ValueError(f"power: expected 0 to 2, found {self.power:g}")
        if self.landmarks and self.power != 1:
            raise ValueError("power: expected none with landmarks; it belongs to the PCA")
        if not self.landmarks and self.shrinkage != 0.5:
            raise ValueError("shrinkage: expected landmarks, which it belongs to, found none")
        if not self.landmarks and self.center != "photos":
            raise ValueError("center: expected landmarks, whose means it is of, found none")
        if self.max_rows < 0:
            raise ValueError(f"max_rows: expected 0 or more, found {self.max_rows}")
