"""mAP@100 lost by ranking with faiss, compared with exact search.

    python benchmarks/approximate_map.py EMBEDDINGS METADATA

EMBEDDINGS contains the sets test, index and train of one model, METADATA the dataset's tables.
Sets with too few rows for an index by default get one, too. Prints mAP@100 over all queries that
are not ignored for each kind and code of index, and the paired difference to the exact search with
its 95 % interval; all other settings are the defaults.
"""

import argparse
import dataclasses
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from splits import add_split_arguments, retrieval_of

from glrtf.config.search import SearchConfig
from glrtf.evaluation import bootstrap
from glrtf.evaluation.ranking_score import RankingScorer
from glrtf.evaluation.solutions import read_retrieval_solution
from glrtf.retrieval.inputs import Inputs
from glrtf.retrieval.pipeline import Pipeline
from glrtf.retrieval.search import faiss_files
from glrtf.retrieval.stage_cache import StageCache


def searches(arguments: argparse.Namespace) -> Iterator[tuple[str, SearchConfig]]:
    """The exact search, then every combination that faiss has."""
    yield "exact", SearchConfig()
    for kind in arguments.kinds:
        for code in arguments.codes:
            if code == "pq4" and kind != "ivf":
                continue
            more: dict[str, Any] = {"faiss_kind": kind, "faiss_code": code}
            more["faiss_recall"] = arguments.recall
            yield f"{kind}, {code}", SearchConfig(backend="faiss", **more)


def main() -> None:
    """Ranks with every search and scores it."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_split_arguments(parser)
    parser.add_argument("--kinds", nargs="*", default=["ivf", "hnsw"])
    parser.add_argument("--codes", nargs="*", default=["sq8", "fp16", "pq4"])
    parser.add_argument("--recall", type=float, default=SearchConfig.faiss_recall)
    arguments = parser.parse_args()
    faiss_files._LEAST_ROWS = 0
    base = retrieval_of(arguments.embeddings, arguments.metadata)
    solution = read_retrieval_solution(str(arguments.metadata / "retrieval_solution_v2.1.csv"))
    print("| search | preset | mAP@100 | difference | 95 % |\n|---|---|---:|---:|---:|")
    for preset in ("direct", "fifth_place"):
        exact = None
        for name, search in searches(arguments):
            config = dataclasses.replace(base, preset=preset, search=search)
            with tempfile.TemporaryDirectory() as folder:
                inputs = Inputs(config)
                scorer = RankingScorer(solution, inputs.query.ids, inputs.index.ids, "test")
                ranked = Pipeline(config, StageCache(folder), inputs).rank(scorer.rows)
            precisions = scorer.average_precisions(ranked.images, np.arange(len(scorer.rows)))
            exact = precisions if exact is None else exact
            gain = precisions - exact
            low, high = bootstrap.mean_interval(gain)
            shown = f"{gain.mean():+.4f} | {low:+.4f} to {high:+.4f}" if gain.any() else "0 | "
            print(f"| {name} | {preset} | {precisions.mean():.4f} | {shown} |", flush=True)


if __name__ == "__main__":
    main()
