"""Settings of `glrtf recognize`."""

import dataclasses
from typing import Literal

from glrtf.config import paths
from glrtf.config.search import SearchConfig


@dataclasses.dataclass
class RecognizeConfig:
    """Says which landmark each image of an embedding set shows, and how likely that is.

    Writes id,landmarks as the Google Landmark Recognition challenges take it; glrtf evaluate scores
    it by GAP. The confidence is the probability that the landmark is right, the same number as of
    glrtf search and glrtf serve. Images without a landmark get a low one, or with --least no
    landmark at all.

    Attributes:
        query: Embedding sets of the images, one a model; several are joined by image id.
        bundle: Folder of glrtf bundle, in place of train and index sets, tables, votes and adapter;
            landmarks are found by its settings.
        train: Embedding sets of the train images, one a model in the same order.
        landmarks: The train images' landmarks: train.csv or train_clean.csv.
        output: The CSV file.
        least: Images whose confidence is lower get no landmark; 0 gives every image one.
        index: Embedding set of the index that glrtf search and glrtf serve search: confidences are
            then calibrated as theirs are. Without it, they are calibrated on train images.
        labels: CSV of the index images' landmarks; see glrtf search.
        votes: How much each model counts; alike when left out.
        adapter: Folder of an adapter (glrtf adapt, glrtf whiten) that maps all rows.
        search: How neighbours are found.
        cache: Folder for what is kept; empty means <index>/search, without an index
            <train>/search, or <bundle>/cache.
        verify: Whether the sets' files are compared with their digests once, as long as they
            are unchanged, or always.
    """

    query: list[str]
    output: str
    bundle: str = ""
    train: list[str] = dataclasses.field(default_factory=list)
    landmarks: str = ""
    least: float = 0.01
    index: str = ""
    labels: str = ""
    votes: list[float] = dataclasses.field(default_factory=list)
    adapter: str = ""
    search: SearchConfig = dataclasses.field(default_factory=SearchConfig)
    cache: str = ""
    verify: Literal["once", "always"] = "once"

    def __post_init__(self) -> None:
        """Refuses values outside their range."""
        if not self.query:
            raise ValueError("query: expected at least one embedding set, found none")
        for name in ("train", "landmarks", "index", "labels", "votes", "adapter"):
            if self.bundle and getattr(self, name):
                raise ValueError(
                    f"{name}: expected none with --bundle, which has its own; leave it out"
                )
        if not self.bundle and not (self.train and self.landmarks):
            missing = "landmarks" if self.train else "train"
            raise ValueError(
                f"{missing}: expected --train and --landmarks, or --bundle, found none"
            )
        if not 0 <= self.least <= 1:
            raise ValueError(f"least: expected 0 to 1, found {self.least:g}")
        if self.labels and not self.index:
            raise ValueError("labels: expected --index, whose images they are of, found none")
        if self.index and (len(self.train) > 1 or self.votes or self.adapter):
            raise ValueError(
                "index: expected one model without --votes and --adapter, as glrtf search takes;"
                " leave --index out to calibrate on train images"
            )
        if self.cache_folder.startswith("gs://"):
            raise ValueError("cache: expected a local folder for sets on gs://, found none")

    @property
    def cache_folder(self) -> str:
        """Where the images' landmarks and the calibration are kept."""
        searched = "" if self.bundle else self.index or self.train[0]
        return paths.cache_folder(self.cache, self.bundle, searched)
