"""Settings of a neighbour search."""

import dataclasses
from typing import Literal

from glrtf.config.reranking import expect


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
