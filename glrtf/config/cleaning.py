"""Settings of `glrtf clean`."""

import dataclasses
from typing import Literal, TypeAlias

from glrtf.config.descriptor import NoCodeFromFiles, names_function
from glrtf.config.search import SearchConfig

Reason: TypeAlias = Literal[
    "leak", "non_landmark", "mislabelled", "conflict", "isolated", "duplicate"
]
"""Why an image may be dropped."""


@dataclasses.dataclass
class CleanConfig(NoCodeFromFiles):
    """Finds train images that do not show their landmark, and writes a cleaner train_clean.csv.

    An image is compared with the nearest images of its own landmark and of all others. How low
    the difference is for a wrong label is learned from labels that are exchanged on purpose, in
    memory. Near-duplicates and images that agree with no other of their landmark are found, too.
    OUTPUT/train_clean.csv is for glrtf build --labels, whiten, adapt and retrieve.

    Attributes:
        train: Embedding sets of the train images, one a model.
        landmarks: The train images' landmarks: train.csv or train_clean.csv.
        output: Folder for train_clean.csv, clean.csv, cleaning.json and index.html.
        query: Embedding sets of the test images, to find near-duplicates of them in train.
        index: Embedding sets of the index images, likewise.
        non_landmark: Embedding sets of images without a landmark; train images that are nearer to
            them than to any landmark are reported.
        images: Folder of the photos, for the page's contact sheets and the verifier: GLDv2's
            published layout or a/b/c/ID.jpg. Empty for no page.
        votes: How much each model counts; alike when left out.
        adapter: Folder of an adapter (glrtf adapt, glrtf whiten) that maps all rows.
        drop: The reasons for which images are left out of train_clean.csv; images with other
            reasons are only reported.
        write_sets: Whether to write OUTPUT/train too, the embedding set of the images that stay (of
            several models train_1, train_2 and so on), for commands that need a landmark for every
            train image.
        neighbors: How many nearest images of the whole train set are looked at.
        per_landmark: How many nearest images of a landmark count.
        precision: The share of images reported as mislabelled that should really be so.
        rounds: How often labels are judged; from the second time on, images that were found
            mislabelled no longer count as evidence.
        min_cluster: Images that agree with each other form clusters; those of smaller clusters are
            isolated.
        duplicate_distance: Images are near-duplicates if their distance, 1 - similarity, is at most
            this share of the median distance of a train image to its nearest.
        verifier: package.module:function that confirms agreements, for example by matching local
            features: gets an image id and a list of ids, with --images also the photo's path and
            a list of paths, and returns a number for each. Only on the command line.
        verifier_least: The least of these numbers that confirms an agreement.
        search: How neighbours are found.
        seed: Of the labels exchanged on purpose.
        photos_shown: How many images a contact sheet shows at most.
        thumbnail: The longest side of a thumbnail in pixels.
        verify: Whether the sets' files are compared with their digests once, as long as they
            are unchanged, or always.
    """

    train: list[str]
    landmarks: str
    output: str
    query: list[str] = dataclasses.field(default_factory=list)
    index: list[str] = dataclasses.field(default_factory=list)
    non_landmark: list[str] = dataclasses.field(default_factory=list)
    images: str = ""
    votes: list[float] = dataclasses.field(default_factory=list)
    adapter: str = ""
    drop: list[Reason] = dataclasses.field(
        default_factory=lambda: ["leak", "non_landmark", "mislabelled", "isolated"]
    )
    write_sets: bool = False
    neighbors: int = 50
    per_landmark: int = 3
    precision: float = 0.9
    rounds: int = 2
    min_cluster: int = 2
    duplicate_distance: float = 0.2
    verifier: str = ""
    verifier_least: float = 15.0
    search: SearchConfig = dataclasses.field(default_factory=SearchConfig)
    seed: int = 0
    photos_shown: int = 60
    thumbnail: int = 160
    verify: Literal["once", "always"] = "once"

    def __post_init__(self) -> None:
        """Refuses values outside their range."""
        if not self.train:
            raise ValueError("train: expected at least one embedding set, found none")
        least = {"neighbors": 2, "per_landmark": 1, "rounds": 1, "min_cluster": 1}
        for name, value in {**least, "photos_shown": 1, "thumbnail": 16, "seed": 0}.items():
            if getattr(self, name) < value:
                raise ValueError(f"{name}: expected {value} or more, found {getattr(self, name)}")
        if not 0.5 <= self.precision < 1:
            raise ValueError(f"precision: expected 0.5 to below 1, found {self.precision:g}")
        if not 0 <= self.duplicate_distance <= 1:
            found = self.duplicate_distance
            raise ValueError(f"duplicate_distance: expected 0 to 1, found {found:g}")
        if self.verifier and not names_function(self.verifier):
            raise ValueError(f"verifier: expected package.module:function, found {self.verifier!r}")
