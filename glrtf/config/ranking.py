"""The settings of a ranking alone: what `RetrieveConfig` says without files and back ends."""

import dataclasses
from typing import Any, Literal

from glrtf.config.reranking import (
    DbaConfig,
    LandmarkRerankConfig,
    QueryExpansionConfig,
    RerankConfig,
)
from glrtf.config.retrieval import (
    FusionConfig,
    LandmarkConfig,
    RetrieveConfig,
    TrainNeighborsConfig,
)

_FOR_PHOTOS = ("none", "diffusion", "superglobal")


@dataclasses.dataclass(frozen=True)
class RankingSettings:
    """How images are ranked for a query; see `RetrieveConfig`.

    Attributes:
        preset: fifth_place (bridged and direct), direct_dba (direct with augmentation) or direct.
        train_neighbors: The train images near to a test or index image.
        landmark: How sure an image shows a landmark.
        dba: Database-side augmentation.
        query_expansion: α-query expansion.
        rerank: Re-ranking of the direct side by neighbourhoods.
        label_vote_weight: What a full landmark vote adds to a direct confidence; 0 for none.
        landmark_rerank: Re-ranking by predicted landmarks, after the fusion.
        fusion: How direct and bridged confidence make one ranking.
    """

    preset: Literal["fifth_place", "direct_dba", "direct"] = "fifth_place"
    train_neighbors: TrainNeighborsConfig = dataclasses.field(default_factory=TrainNeighborsConfig)
    landmark: LandmarkConfig = dataclasses.field(default_factory=LandmarkConfig)
    dba: DbaConfig = dataclasses.field(default_factory=DbaConfig)
    query_expansion: QueryExpansionConfig = dataclasses.field(default_factory=QueryExpansionConfig)
    rerank: RerankConfig = dataclasses.field(default_factory=RerankConfig)
    label_vote_weight: float = 0.0
    landmark_rerank: LandmarkRerankConfig = dataclasses.field(default_factory=LandmarkRerankConfig)
    fusion: FusionConfig = dataclasses.field(default_factory=FusionConfig)

    @classmethod
    def of(cls, config: RetrieveConfig) -> "RankingSettings":
        """The settings of a ranking without its files."""
        return cls(**{name: getattr(config, name) for name in names()})

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
