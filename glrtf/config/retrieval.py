"""Settings of `glrtf retrieve`."""

import dataclasses
from typing import Literal

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
            annoy (approximate, trees on disk).
        beam_options: beam only: options of Apache Beam, such as runner=DataflowRunner.
        annoy_trees: annoy only: how many trees are built; more trees find more.
        annoy_search_nodes: annoy only: how many nodes are inspected per neighbour and tree.
    """

    backend: Literal["exact", "tensorflow", "beam", "annoy"] = "exact"
    beam_options: list[str] = dataclasses.field(default_factory=list)
    annoy_trees: int = 100
    annoy_search_nodes: int = 10

    def __post_init__(self) -> None:
        """Refuses values outside their range."""
        _expect(self.annoy_trees >= 1, "annoy_trees", "1 or more", self.annoy_trees)
        nodes = self.annoy_search_nodes
        _expect(nodes >= 1, "annoy_search_nodes", "1 or more", nodes)


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
        _expect(self.per_part >= 0, "per_part", "0 or more", self.per_part)
        _expect(self.k >= 1, "k", "1 or more", self.k)


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
            _expect(value >= 1, name, "1 or more", value)
        for name in ("non_landmark_weight", "best_bonus"):
            value = getattr(self, name)
            _expect(value >= 0, name, "0 or more", value)


@dataclasses.dataclass
class DbaConfig:
    """Database-side augmentation: rows replaced by a mean over their neighbourhood.

    Attributes:
        rows: Which rows are replaced.
        n: How many nearest rows are averaged, the row itself included.
        alpha: Weights are similarity to this power; none uses the published sqrt(1 + similarity).
    """

    rows: Literal["test", "index", "both", "none"] = "test"
    n: int = 2
    alpha: float | None = None

    def __post_init__(self) -> None:
        """Refuses values outside their range."""
        _expect(self.n >= 1, "n", "1 or more", self.n)
        _expect(self.alpha is None or self.alpha >= 0, "alpha", "0 or more", self.alpha)


@dataclasses.dataclass
class QueryExpansionConfig:
    """α-query expansion: queries averaged with their nearest index images, after the DBA.

    Attributes:
        n: How many index images are added to the query; 0 for none.
        alpha: Their weights are similarity to this power.
    """

    n: int = 0
    alpha: float = 3.0

    def __post_init__(self) -> None:
        """Refuses values outside their range."""
        _expect(self.n >= 0, "n", "0 or more", self.n)
        _expect(self.alpha >= 0, "alpha", "0 or more", self.alpha)


@dataclasses.dataclass
class RerankConfig:
    """Re-ranking of the direct side by neighbourhoods.

    Attributes:
        method: none, k_reciprocal or diffusion.
        k1: k_reciprocal: how many neighbours may be reciprocal.
        k2: k_reciprocal: over how many nearest a description is averaged.
        share: k_reciprocal: the share of plain similarity; the rest is Jaccard's.
        graph_k: diffusion: how many neighbours an index image has in the graph.
        start_k: diffusion: the number of a query's nearest images at which it starts.
        gamma: diffusion: affinities are similarity to this power.
        alpha: diffusion: how far it spreads, 0 to below 1.
        steps: diffusion: the largest number of conjugate gradient steps.
    """

    method: Literal["none", "k_reciprocal", "diffusion"] = "none"
    k1: int = 20
    k2: int = 6
    share: float = 0.3
    graph_k: int = 50
    start_k: int = 10
    gamma: float = 3.0
    alpha: float = 0.9
    steps: int = 20

    def __post_init__(self) -> None:
        """Refuses values outside their range."""
        for name in ("k1", "k2", "graph_k", "start_k", "steps"):
            _expect(getattr(self, name) >= 1, name, "1 or more", getattr(self, name))
        _expect(0 <= self.share <= 1, "share", "0 to 1", self.share)
        _expect(0 <= self.alpha < 1, "alpha", "0 to below 1", self.alpha)
        _expect(self.gamma >= 0, "gamma", "0 or more", self.gamma)


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
        _expect(self.direct_k >= 1, "direct_k", "1 or more", self.direct_k)
        _expect(self.limit >= 1, "limit", "1 or more", self.limit)
        for name in ("bridge_divisor", "direct_power", "bridge_power"):
            value = getattr(self, name)
            _expect(value > 0, name, "a number above 0", value)


@dataclasses.dataclass
class RetrieveConfig:
    """Ranks the index images for every test image and writes submission, evidence and settings.

    Attributes:
        query: Embedding set of the test images; several (one a model) are joined by image id.
        index: Embedding sets of the index images, one a model in the same order.
        output: Folder for submission.csv, evidence.npz and retrieval.json.
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
        preset: fifth_place (bridged and direct), direct_dba (direct with augmentation) or direct.
        search: How neighbours are found.
        train_neighbors: The nearest train images of a test or index image.
        landmark: How confident it is that an image shows a landmark.
        dba: Database-side augmentation.
        query_expansion: α-query expansion.
        rerank: Re-ranking of the direct side by neighbourhoods.
        label_vote_weight: What a full landmark vote adds to a direct confidence; 0 for none.
        fusion: How direct and bridged confidence are fused into one ranking.
        verify: Whether the sets' files are compared with their digests once, as long as they
            are unchanged, or always.
    """

    query: list[str]
    index: list[str]
    output: str
    train: list[str] = dataclasses.field(default_factory=list)
    landmarks: str | None = None
    non_landmark: list[str] = dataclasses.field(default_factory=list)
    non_landmark_solution: str | None = None
    non_landmark_scores: str | None = None
    votes: list[float] = dataclasses.field(default_factory=list)
    adapter: str = ""
    preset: Literal["fifth_place", "direct_dba", "direct"] = "fifth_place"
    search: SearchConfig = dataclasses.field(default_factory=SearchConfig)
    train_neighbors: TrainNeighborsConfig = dataclasses.field(default_factory=TrainNeighborsConfig)
    landmark: LandmarkConfig = dataclasses.field(default_factory=LandmarkConfig)
    dba: DbaConfig = dataclasses.field(default_factory=DbaConfig)
    query_expansion: QueryExpansionConfig = dataclasses.field(default_factory=QueryExpansionConfig)
    rerank: RerankConfig = dataclasses.field(default_factory=RerankConfig)
    label_vote_weight: float = 0.0
    fusion: FusionConfig = dataclasses.field(default_factory=FusionConfig)
    verify: Literal["once", "always"] = "once"

    def __post_init__(self) -> None:
        """Refuses settings that do not go together."""
        for name in ("query", "index"):
            if not getattr(self, name):
                raise ValueError(f"{name}: expected at least one embedding set, found none")
        if self.bridged and not (self.train and self.landmarks):
            missing = "train" if not self.train else "landmarks"
            raise ValueError(
                f"{missing}: preset fifth_place needs the train images' embedding sets and their "
                "landmarks CSV, found none; give it, or choose --preset direct_dba or direct"
            )
        weight = self.label_vote_weight
        _expect(weight >= 0, "label_vote_weight", "0 or more", weight)
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

    @property
    def bridged(self) -> bool:
        """Whether the ranking goes through the train set."""
        return self.preset == "fifth_place"

    @property
    def dba_rows(self) -> str:
        """Which rows the augmentation replaces, the preset considered."""
        return "none" if self.preset == "direct" else self.dba.rows


def _expect(holds: bool, name: str, expected: str, found: object) -> None:
    if not holds:
        raise ValueError(f"{name}: expected {expected}, found {found}")
