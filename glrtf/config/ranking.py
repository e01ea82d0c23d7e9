"""The settings of a ranking: what `RetrieveConfig` says without files and back ends."""

import dataclasses
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from glrtf.config.reranking import (
    DbaConfig,
    LandmarkRerankConfig,
    QueryExpansionConfig,
    RerankConfig,
    expect,
)

if TYPE_CHECKING:
    from glrtf.config.retrieval import RetrieveConfig

Preset: TypeAlias = Literal["fifth_place", "direct_dba", "direct"]
MAX_RANKED = 100
PUBLISHED_PARTS = 20
"""The number of parts of the train rows in the published run."""
_FOR_PHOTOS = ("none", "diffusion", "superglobal")


@dataclasses.dataclass
class TrainNeighborsConfig:
    """The nearest train images of a test or index image.

    Attributes:
        per_part: How many are taken from each of 20 equal parts of the train set, which is divided
            by image id, independently of its files; 0 takes the k nearest of all.
        k: How many are taken when per_part is 0.
    """

    per_part: int = 15
    k: int = 300

    def __post_init__(self) -> None:
        """Refuses values outside their range."""
        expect(self.per_part >= 0, "per_part", "0 or more", self.per_part)
        expect(self.k >= 1, "k", "1 or more", self.k)


@dataclasses.dataclass
class LandmarkConfig:
    """How confident it is that an image shows a landmark.

    Attributes:
        non_landmark_weight: How much similarity to non-landmark images counts against a neighbour.
        non_landmark_neighbors: How many non-landmark images that similarity is averaged over.
        per_landmark: How many neighbours of one landmark count.
        aggregate: Whether their confidences are summed or averaged.
        best_bonus: The bonus for an image's best landmark.
        keep: How many landmarks an image keeps.
    """

    non_landmark_weight: float = 0.4
    non_landmark_neighbors: int = 10
    per_landmark: int = 2
    aggregate: Literal["sum", "mean"] = "sum"
    best_bonus: float = 0.5
    keep: int = 5

    def __post_init__(self) -> None:
        """Refuses values outside their range."""
        for name in ("non_landmark_neighbors", "per_landmark", "keep"):
            value = getattr(self, name)
            expect(value >= 1, name, "1 or more", value)
        for name in ("non_landmark_weight", "best_bonus"):
            value = getattr(self, name)
            expect(value >= 0, name, "0 or more", value)


@dataclasses.dataclass
class FusionConfig:
    """How direct and bridged confidence are fused into one ranking.

    Attributes:
        direct_k: How many nearest index images have a direct confidence.
        bridge_divisor: Bridged confidence is divided by this before the exponent is applied.
        direct_power: Exponent of the direct confidence.
        bridge_power: Exponent of the bridged confidence.
        tie_break: What decides equal confidences: image_id, or bridge: first the index
            image's own landmark confidence.
        limit: How many images are ranked per query; the competitions take 100.
    """

    direct_k: int = 100
    bridge_divisor: float = 3.0
    direct_power: float = 3.0
    bridge_power: float = 3.0
    tie_break: Literal["image_id", "bridge"] = "image_id"
    limit: int = MAX_RANKED

    def __post_init__(self) -> None:
        """Refuses values outside their range."""
        expect(self.direct_k >= 1, "direct_k", "1 or more", self.direct_k)
        expect(self.limit >= 1, "limit", "1 or more", self.limit)
        for name in ("bridge_divisor", "direct_power", "bridge_power"):
            value = getattr(self, name)
            expect(value > 0, name, "a number above 0", value)


class RankingSteps:
    """Which steps a ranking's settings switch on; for `RankingSettings` and `RetrieveConfig`."""

    preset: Preset
    dba: DbaConfig

    @property
    def bridged(self) -> bool:
        """Whether the ranking goes through the train set."""
        return self.preset == "fifth_place"

    @property
    def dba_rows(self) -> str:
        """Which rows the augmentation replaces, the preset considered."""
        return "none" if self.preset == "direct" else self.dba.rows

    @property
    def augments_queries(self) -> bool:
        """Whether query rows are replaced by means over their neighbourhood."""
        return self.dba_rows in ("test", "both")

    @property
    def augments_index(self) -> bool:
        """Whether index rows are replaced by means over their neighbourhood."""
        return self.dba_rows in ("index", "both")


@dataclasses.dataclass(frozen=True)
class RankingSettings(RankingSteps):
    """How images are ranked for a query; see `RetrieveConfig`.

    Attributes:
        preset: fifth_place (bridged and direct), direct_dba (direct with augmentation) or direct.
        train_neighbors: The train images near to a test or index image.
        landmark: How confident it is that an image shows a landmark.
        dba: Database-side augmentation.
        query_expansion: α-query expansion.
        rerank: Re-ranking of the direct side by neighbourhoods.
        label_vote_weight: What a full landmark vote adds to a direct confidence; 0 for none.
        landmark_rerank: Re-ranking by predicted landmarks, after the fusion.
        fusion: How direct and bridged confidence make one ranking.
    """

    preset: Preset = "fifth_place"
    train_neighbors: TrainNeighborsConfig = dataclasses.field(default_factory=TrainNeighborsConfig)
    landmark: LandmarkConfig = dataclasses.field(default_factory=LandmarkConfig)
    dba: DbaConfig = dataclasses.field(default_factory=DbaConfig)
    query_expansion: QueryExpansionConfig = dataclasses.field(default_factory=QueryExpansionConfig)
    rerank: RerankConfig = dataclasses.field(default_factory=RerankConfig)
    label_vote_weight: float = 0.0
    landmark_rerank: LandmarkRerankConfig = dataclasses.field(default_factory=LandmarkRerankConfig)
    fusion: FusionConfig = dataclasses.field(default_factory=FusionConfig)

    @classmethod
    def of(cls, config: "RetrieveConfig") -> "RankingSettings":
        """The settings of a ranking without its files."""
        return cls(**{name: getattr(config, name) for name in names()})

    @property
    def impossible_for_photos(self) -> str:
        """Which setting single photos cannot be ranked by; empty where they can."""
        if self.rerank.method not in _FOR_PHOTOS:
            return (
                f"rerank.method: expected one of {', '.join(_FOR_PHOTOS)} for single photos, found"
                f" {self.rerank.method}"
            )
        if self.landmark_rerank.steps != "none":
            return (
                "landmark_rerank.steps: expected none for single photos, found"
                f" {self.landmark_rerank.steps}"
            )
        return ""

    @property
    def notes_for_photos(self) -> tuple[str, ...]:
        """Where the ranking of a single photo differs from that of a whole test set."""
        notes = []
        if self.augments_queries and self.dba.n > 1:
            notes.append(
                "dba.rows: a photo's row is averaged with index rows only; glrtf retrieve also"
                " averages it with the other queries"
            )
        if self.augments_index and self.dba.n > 1:
            notes.append(
                "dba.rows: index rows are averaged with index rows only; glrtf retrieve also"
                " averages them with the queries"
            )
        return tuple(notes)


def names() -> tuple[str, ...]:
    """The names of the settings."""
    return tuple(field.name for field in dataclasses.fields(RankingSettings))


def as_json(settings: RankingSettings) -> dict[str, Any]:
    """The settings as JSON values."""
    return dataclasses.asdict(settings)


PUBLISHED_FOR_PHOTOS = RankingSettings(dba=DbaConfig(rows="none"))
"""What single photos are ranked with unless a bundle says otherwise."""
