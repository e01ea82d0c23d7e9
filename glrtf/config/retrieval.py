"""Settings of `glrtf retrieve`."""

import dataclasses
from typing import Literal

from glrtf.config.descriptor import NoCodeFromFiles, names_function
from glrtf.config.ranking import (
    FusionConfig,
    LandmarkConfig,
    Preset,
    RankingSteps,
    TrainNeighborsConfig,
)
from glrtf.config.reranking import (
    DbaConfig,
    LandmarkRerankConfig,
    QueryExpansionConfig,
    RerankConfig,
    expect,
)
from glrtf.config.search import SearchConfig


@dataclasses.dataclass
class RetrieveConfig(NoCodeFromFiles, RankingSteps):
    """Ranks the index images for every test image and writes submission, evidence and settings.

    Attributes:
        query: Embedding set of the test images; several (one a model) are joined by image id.
        index: Embedding sets of the index images, one a model in the same order.
        output: Folder for submission.csv, evidence.npz and retrieval.json.
        bundle: Folder of glrtf bundle, in place of index, train, tables, votes, adapter and the
            ranking's settings.
        train: Embedding sets of the train images, one a model; wanted by preset fifth_place.
        landmarks: CSV of the train images' landmarks: train.csv or train_clean.csv.
        non_landmark: Embedding sets of images without a landmark, one a model, or with
            non_landmark_solution the test images' own.
        non_landmark_solution: recognition_solution CSV; of the set non_landmark (without it, of the
            query) the images it lists without landmark are taken.
        non_landmark_scores: CSV id,non_landmark_confidence of train images, in place of the
            former two.
        votes: How much each model counts; alike when left out.
        adapter: Folder of an adapter (glrtf adapt, glrtf whiten) that maps all rows, joined,
            as they are read.
        asymmetric: Whether the sets of query are of a model that was trained towards the rows of
            the other sets (glrtf train --distill.rows with --distill.projection none): how both
            were made is then not compared.
        preset: fifth_place (bridged and direct), direct_dba (direct with augmentation) or direct.
        search: How neighbours are found.
        train_neighbors: The nearest train images of a test or index image.
        landmark: How confident it is that an image shows a landmark.
        dba: Database-side augmentation.
        query_expansion: α-query expansion.
        rerank: Re-ranking of the direct side by neighbourhoods.
        landmark_rerank: Re-ranking by predicted landmarks, after the fusion.
        label_vote_weight: What a full landmark vote adds to a direct confidence; 0 for none.
        fusion: How direct and bridged confidence are fused into one ranking.
        verifier: package.module:function that scores the first images of a ranking, for example
            by matching local features; they are ordered by its scores. Only on the command line.
        verifier_top: How many images of each query the verifier scores.
        verifier_images: Folder of the photos, as --source of glrtf report; the verifier then gets
            their paths, too.
        verify: Whether the sets' files are compared with their digests once, as long as they
            are unchanged, or always.
    """

    query: list[str]
    index: list[str] = dataclasses.field(default_factory=list)
    output: str = ""
    bundle: str = ""
    train: list[str] = dataclasses.field(default_factory=list)
    landmarks: str | None = None
    non_landmark: list[str] = dataclasses.field(default_factory=list)
    non_landmark_solution: str | None = None
    non_landmark_scores: str | None = None
    votes: list[float] = dataclasses.field(default_factory=list)
    adapter: str = ""
    asymmetric: bool = False
    preset: Preset = "fifth_place"
    search: SearchConfig = dataclasses.field(default_factory=SearchConfig)
    train_neighbors: TrainNeighborsConfig = dataclasses.field(default_factory=TrainNeighborsConfig)
    landmark: LandmarkConfig = dataclasses.field(default_factory=LandmarkConfig)
    dba: DbaConfig = dataclasses.field(default_factory=DbaConfig)
    query_expansion: QueryExpansionConfig = dataclasses.field(default_factory=QueryExpansionConfig)
    rerank: RerankConfig = dataclasses.field(default_factory=RerankConfig)
    label_vote_weight: float = 0.0
    landmark_rerank: LandmarkRerankConfig = dataclasses.field(default_factory=LandmarkRerankConfig)
    fusion: FusionConfig = dataclasses.field(default_factory=FusionConfig)
    verifier: str = ""
    verifier_top: int = 100
    verifier_images: str = ""
    verify: Literal["once", "always"] = "once"

    def __post_init__(self) -> None:
        """Refuses settings that do not go together."""
        for name in ("query", "index"):
            if not getattr(self, name) and not (self.bundle and name == "index"):
                raise ValueError(f"{name}: expected at least one embedding set, found none")
        if self.needs_train and not self.bundle and not (self.train and self.landmarks):
            missing = "train" if not self.train else "landmarks"
            what, instead = "landmark_rerank.steps", "leave it at none"
            if self.bridged:
                what, instead = "preset fifth_place", "choose --preset direct_dba or direct"
            raise ValueError(
                f"{missing}: {what} needs the train images' embedding sets and their "
                f"landmarks CSV, found none; give it, or {instead}"
            )
        self._check_reranking()
        weight = self.label_vote_weight
        expect(weight >= 0, "label_vote_weight", "0 or more", weight)
        if weight and not self.bridged:
            raise ValueError(
                "label_vote_weight: expected preset fifth_place, which knows landmarks, "
                f"found {self.preset}; leave the weight at 0"
            )
        if self.non_landmark_scores and (self.non_landmark or self.non_landmark_solution):
            raise ValueError(
                "non_landmark_scores: expected either it or --non_landmark/"
                "--non_landmark_solution, found both; give one"
            )

    def _check_reranking(self) -> None:
        near = self.train_neighbors
        wide = near.per_part or near.k
        if self.landmark_rerank.steps != "none" and self.landmark_rerank.k > wide:
            name = "train_neighbors.per_part" if near.per_part else "train_neighbors.k"
            raise ValueError(
                f"landmark_rerank.k: expected at most {name} ({wide}), found "
                f"{self.landmark_rerank.k}"
            )
        expect(self.verifier_top >= 1, "verifier_top", "1 or more", self.verifier_top)
        if self.verifier and not names_function(self.verifier):
            raise ValueError(f"verifier: expected package.module:function, found {self.verifier!r}")

    @property
    def needs_train(self) -> bool:
        """Whether any step reads the train set."""
        return self.bridged or self.landmark_rerank.steps != "none"
