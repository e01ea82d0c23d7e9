"""Gain of each retrieval step, alone and on top of the published steps.

    python benchmarks/retrieval_steps.py EMBEDDINGS METADATA

EMBEDDINGS contains the sets test, index and train of one model, METADATA the
dataset's tables. Prints mAP@100 over all queries that are not ignored, and the paired difference
to direct similarity or, for names that begin so, to fifth_place, with its 95 % interval.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from splits import add_split_arguments, retrieval_of

from glrtf.evaluation import bootstrap
from glrtf.evaluation.ranking_score import RankingScorer
from glrtf.evaluation.solutions import read_retrieval_solution
from glrtf.retrieval.inputs import Inputs
from glrtf.retrieval.pipeline import Pipeline
from glrtf.retrieval.stage_cache import StageCache
from glrtf.tuning.search_space import replaced

_PLAIN = {"preset": "fifth_place", "landmark.non_landmark_weight": 0.0}
_PUBLISHED = {"preset": "fifth_place"}
VARIANTS: dict[str, dict[str, object]] = {
    "direct": {"preset": "direct"},
    "direct + DBA of test rows (n = 2, published weights)": {"preset": "direct_dba"},
    "direct + DBA of both sides": {"preset": "direct_dba", "dba.rows": "both"},
    "direct + DBA of both sides, n = 4, alpha = 3": {
        "preset": "direct_dba",
        "dba.rows": "both",
        "dba.n": 4,
        "dba.alpha": 3.0,
    },
    "direct + alpha-QE, n = 3, alpha = 3": {"preset": "direct", "query_expansion.n": 3},
    "direct + k-reciprocal": {"preset": "direct", "rerank.method": "k_reciprocal"},
    "direct + diffusion": {"preset": "direct", "rerank.method": "diffusion"},
    "direct + SuperGlobal": {"preset": "direct", "rerank.method": "superglobal"},
    "direct + SuperGlobal, M = 100": {
        "preset": "direct",
        "rerank.method": "superglobal",
        "rerank.top_m": 100,
    },
    "direct + SuperGlobal, M = 100, K = 4": {
        "preset": "direct",
        "rerank.method": "superglobal",
        "rerank.top_m": 100,
        "rerank.refine_k": 4,
    },
    "direct + landmark sort": {"preset": "direct", "landmark_rerank.steps": "sort"},
    "direct + landmark sort and insertion": {
        "preset": "direct",
        "landmark_rerank.steps": "sort_insert",
    },
    "direct + SuperGlobal + sort and insertion": {
        "preset": "direct",
        "rerank.method": "superglobal",
        "landmark_rerank.steps": "sort_insert",
    },
    "bridging alone with direct": {**_PLAIN, "dba.rows": "none"},
    "bridging + DBA": _PLAIN,
    "fifth_place": _PUBLISHED,
    "fifth_place, 300 nearest of all": {**_PUBLISHED, "train_neighbors.per_part": 0},
    "fifth_place + ties by the bridge": {**_PUBLISHED, "fusion.tie_break": "bridge"},
    "fifth_place + label votes, weight 0.5": {**_PUBLISHED, "label_vote_weight": 0.5},
    "fifth_place + alpha-QE": {**_PUBLISHED, "query_expansion.n": 3},
    "fifth_place + DBA of both sides, n = 4, alpha = 3": {
        **_PUBLISHED,
        "dba.rows": "both",
        "dba.n": 4,
        "dba.alpha": 3.0,
    },
    "fifth_place + k-reciprocal": {**_PUBLISHED, "rerank.method": "k_reciprocal"},
    "fifth_place + diffusion": {**_PUBLISHED, "rerank.method": "diffusion"},
    "fifth_place + SuperGlobal": {**_PUBLISHED, "rerank.method": "superglobal"},
    "fifth_place + landmark sort": {**_PUBLISHED, "landmark_rerank.steps": "sort"},
    "fifth_place + landmark sort and insertion": {
        **_PUBLISHED,
        "landmark_rerank.steps": "sort_insert",
    },
    "fifth_place + k-reciprocal + sort and insertion": {
        **_PUBLISHED,
        "rerank.method": "k_reciprocal",
        "landmark_rerank.steps": "sort_insert",
    },
    "fifth_place + SuperGlobal + sort and insertion": {
        **_PUBLISHED,
        "rerank.method": "superglobal",
        "landmark_rerank.steps": "sort_insert",
    },
}


def main() -> None:
    """Ranks with every variant and scores it."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_split_arguments(parser)
    parser.add_argument("--only", nargs="*", help="names of variants; by default all")
    arguments = parser.parse_args()
    base = retrieval_of(arguments.embeddings, arguments.metadata)
    solution = read_retrieval_solution(
        str(arguments.metadata / "retrieval_solution_v2.1.csv"),
    )
    inputs = Inputs(base)
    scorer = RankingScorer(solution, inputs.query.ids, inputs.index.ids, "EMBEDDINGS/test")
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, changes in VARIANTS.items():
            if arguments.only and name not in ("direct", "fifth_place", *arguments.only):
                continue
            pipeline = Pipeline(replaced(base, changes), StageCache(folder), inputs)
            everyone = np.arange(len(scorer.rows))
            precisions = scorer.average_precisions(pipeline.rank(scorer.rows).images, everyone)
            found[name] = precisions
            print(f"{name}: {precisions.mean():.4f}", file=sys.stderr, flush=True)
    print("| settings | mAP@100 | difference | 95 % |\n|---|---:|---:|---:|")
    for name, precisions in found.items():
        base_name = "fifth_place" if name.startswith("fifth_place") else "direct"
        gain = precisions - found[base_name]
        low, high = bootstrap.mean_interval(gain)
        shown = f"{gain.mean():+.4f} | {low:+.4f} to {high:+.4f}" if gain.any() else " | "
        print(f"| {name} | {precisions.mean():.4f} | {shown} |")


if __name__ == "__main__":
    main()
