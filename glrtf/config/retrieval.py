"""Settings of `glrtf retrieve`."""

import dataclasses
from typing import Literal

from glrtf.config.descriptor import NoCodeFromFiles, names_function
from glrtf.config.reranking import (
    DbaConfig,
    LandmarkRerankConfig,
    QueryExpansionConfig,
    RerankConfig,
    expect,
)

PRESETS = ("fifth_place", "direct_dba", "direct")
MAX_RANKED = 100
PUBLISHED_PARTS = 20
"""The number of parts of the train rows in the published run."""


@dataclasses.dataclass
class SearchConfig:
    """How neighbours are found: by cosine similarity, the dot product of rows of length 1.

    Euclidean distance gives the same order. Rows of another length are refused.

    Attributes:
        backend: exact (NumPy); the same by tensorflow (TPU, GPU or CPU) or beam (many machines);
            faiss (approximate, an index on disk) or annoy (the same, slower).
        beam_options: beam only: options of Apache Beam, such as runner=DataflowRunner.
        annoy_trees: annoy only: how many trees are built; more trees find more.
        annoy_search_nodes: annoy only: how many nodes are inspected per neighbour and tree.
        faiss_kind: faiss only: ivf (lists of near rows, some of which are searched), hnsw (a graph:
            more memory, much slower to build) or flat (all rows).
        faiss_code: faiss only: how the index holds rows: sq8 (a byte a number), pq4 (two bits a
            number, faster, ivf only), fp16 or float32.
            Candidates are scored by the stored rows in any case.
        faiss_lists: faiss only: how many lists ivf has; 0 chooses by the number of rows.
        faiss_links: faiss only: how many links a row has in hnsw's graph.
        faiss_effort: faiss only: how many lists are looked through, or how many rows of the graph
            are kept in view; 0 takes the least that has faiss_recall.
        faiss_recall: faiss only: the share of true neighbours that is to be found, of a sample of
            the rows.
        faiss_rescored: faiss only: how many candidates are scored by the stored rows, as a
            multiple of the neighbours wanted; 0 takes 1.5, of pq4 4.
    """

    backend: Literal["exact", "tensorflow", "beam", "faiss", "annoy"] = "exact"
    beam_options: list[str] = dataclasses.field(default_factory=list)
    annoy_trees: int = 100
    annoy_search_nodes: int = 10
    faiss_kind: Literal["ivf", "hnsw", "flat"] = "ivf"
    faiss_code: Literal["sq8", "pq4", "fp16", "float32"] = "sq8"
    faiss_lists: int = 0
    faiss_links: int = 32
    faiss_effort: int = 0
    faiss_recall: float = 0.97
    faiss_rescored: float = 0.0

    def __post_init__(self) -> None:
        """Refuses values outside their range."""
        expect(self.annoy_trees >= 1, "annoy_trees", "1 or more", self.annoy_trees)
        nodes = self.annoy_search_nodes
        expect(nodes >= 1, "annoy_search_nodes", "1 or more", nodes)
        for name in ("faiss_lists", "faiss_effort"):
            expect(getattr(self, name) >= 0, name, "0 or more", getattr(self, name))
        links = self.faiss_links
        expect(2 <= links <= 512, "faiss_links", "2 to 512", links)
        expect(0 < self.faiss_recall <= 1, "faiss_recall", "above 0, to 1", self.faiss_recall)
        factor = self.faiss_rescored
        expect(factor == 0 or 1 <= factor <= 100, "faiss_rescored", "0, or 1 to 100", factor)
        kind, code = self.faiss_kind, self.faiss_code
        expect(kind == "ivf" or code != "pq4", "faiss_kind", "ivf for faiss_code pq4", kind)


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


@dataclasses.dataclass
class RetrieveConfig(NoCodeFromFiles):
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
    preset: Literal["fifth_place", "direct_dba", "direct"] = "fifth_place"
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
    def bridged(self) -> bool:
        """Whether the ranking goes through the train set."""
        return self.preset == "fifth_place"

    @property
    def needs_train(self) -> bool:
        """Whether any step reads the train set."""
        return self.bridged or self.landmark_rerank.steps != "none"

    @property
    def dba_rows(self) -> str:
        """Which rows the augmentation replaces, the preset considered."""
        return "none" if self.preset == "direct" else self.dba.rows
