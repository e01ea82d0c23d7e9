"""Settings of the steps around the published ranking: augmentation, expansion, re-ranking."""

import dataclasses
from typing import Literal


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
        expect(self.n >= 1, "n", "1 or more", self.n)
        expect(self.alpha is None or self.alpha >= 0, "alpha", "0 or more", self.alpha)


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
        expect(self.n >= 0, "n", "0 or more", self.n)
        expect(self.alpha >= 0, "alpha", "0 or more", self.alpha)


@dataclasses.dataclass
class RerankConfig:
    """Re-ranking of the direct side by neighbourhoods.

    Attributes:
        method: none, k_reciprocal, diffusion or superglobal.
        k1: k_reciprocal: how many neighbours may be reciprocal.
        k2: k_reciprocal: over how many nearest a description is averaged.
        share: k_reciprocal: the share of plain similarity; the rest is Jaccard's.
        graph_k: diffusion: how many neighbours an index image has in the graph.
        start_k: diffusion: the number of a query's nearest images at which it starts.
        gamma: diffusion: affinities are similarity to this power.
        alpha: diffusion: how far it spreads, 0 to below 1.
        steps: diffusion: the largest number of conjugate gradient steps.
        top_m: superglobal: how many of a query's nearest are refined and ranked again.
        refine_k: superglobal: how many of them refine each other and the query.
        beta: superglobal: weight of a neighbour, times its similarity; the image itself has 1.
    """

    method: Literal["none", "k_reciprocal", "diffusion", "superglobal"] = "none"
    k1: int = 20
    k2: int = 6
    share: float = 0.3
    graph_k: int = 50
    start_k: int = 10
    gamma: float = 3.0
    alpha: float = 0.9
    steps: int = 20
    top_m: int = 400
    refine_k: int = 9
    beta: float = 0.15

    def __post_init__(self) -> None:
        """Refuses values outside their range."""
        for name in ("k1", "k2", "graph_k", "start_k", "steps", "top_m", "refine_k"):
            expect(getattr(self, name) >= 1, name, "1 or more", getattr(self, name))
        expect(0 <= self.share <= 1, "share", "0 to 1", self.share)
        expect(0 <= self.alpha < 1, "alpha", "0 to below 1", self.alpha)
        expect(self.gamma >= 0, "gamma", "0 or more", self.gamma)
        expect(self.beta >= 0, "beta", "0 or more", self.beta)


@dataclasses.dataclass
class LandmarkRerankConfig:
    """Re-ranking by predicted landmarks, after the fusion. It needs the train set.

    The landmark of an image is the one with the largest sum of similarities among its k
    nearest train images.

    Attributes:
        steps: none; sort: ranked images of the query's landmark move to the front;
            sort_insert: index images of that landmark that are not ranked follow them.
        k: How many train images vote on the landmark of an image.
        threshold: Images are inserted only where their score and the query's exceed this in
            sum; a score is the sum of similarities divided by k.
    """

    steps: Literal["none", "sort", "sort_insert"] = "none"
    k: int = 3
    threshold: float = 0.6

    def __post_init__(self) -> None:
        """Refuses values outside their range."""
        expect(self.k >= 1, "k", "1 or more", self.k)


def expect(holds: bool, name: str, expected: str, found: object) -> None:
    """Raises a `ValueError` about a setting where something does not hold."""
    if not holds:
        raise ValueError(f"{name}: expected {expected}, found {found}")
