"""Gain of bridging on the embedded sample, over several seeds.

    python benchmarks/sample_bridging.py --seeds 0 1 2 --output runs/bridging

Runs the demo once per seed (each seed gives other landmarks and another training run) and
prints mAP@100 of each ranking, then the same for outside queries with only inside
index photos counted as right, which look nothing alike. A repeated run does only what
is missing.
"""

import argparse
import csv
import os

import numpy as np

from glrtf.commands.demo import RANKINGS, DemoResult, demo
from glrtf.config.demo import DemoConfig
from glrtf.evaluation.metrics import average_precision
from tfrecords_tools.sample.plan import SamplePlan, plan_sample

RANKS = 100


def main() -> None:
    """Runs the demos and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--output", default=os.path.join("runs", "bridging"))
    parser.add_argument(
        "--settings", default="", help="training settings; default configs/sample.yaml"
    )
    arguments = parser.parse_args()
    results, across = [], []
    for seed in arguments.seeds:
        folder = os.path.join(arguments.output, f"seed_{seed}")
        config = DemoConfig(output=folder, seed=seed, settings=arguments.settings)
        results.append(demo(config))
        across.append(outside_to_inside(config))
    print("\nmAP@100")
    print_table(arguments.seeds, [result.scores for result in results], results)
    print("\nmAP@100 of inside index photos for outside queries")
    print_table(arguments.seeds, across, None)


def outside_to_inside(config: DemoConfig) -> dict[str, float]:
    """Ranking → mAP@100 of outside queries with only inside photos of their landmark as right.

    The landmark's other index photos are removed from the ranking: neither right nor wrong.
    """
    plan = plan_sample(config.seed, config.num_landmarks, config.photos_per_landmark)
    scores = {}
    for preset in RANKINGS:
        path = os.path.join(config.output, "retrieval", preset, "submission.csv")
        with open(path, newline="") as file:
            rankings = {row["id"]: row["images"].split() for row in csv.DictReader(file)}
        scores[preset] = _mean_precision(plan, rankings)
    return scores


def _mean_precision(plan: SamplePlan, rankings: dict[str, list[str]]) -> float:
    queries = [p for p in plan.of_split("test") if p.view == "outside"]
    index = plan.of_split("index")
    hits, num_relevant = np.zeros((len(queries), RANKS), bool), []
    for row, query in enumerate(queries):
        same = {p.image_id: p.view for p in index if p.landmark == query.landmark}
        counted = [i for i in rankings[query.image_id] if same.get(i) != "outside"]
        hits[row, : len(counted)] = [same.get(image) == "inside" for image in counted]
        num_relevant.append(sum(view == "inside" for view in same.values()))
    return float(average_precision(hits, np.array(num_relevant)).mean())


def print_table(
    seeds: list[int], scores: list[dict[str, float]], results: list[DemoResult] | None
) -> None:
    """One row per seed and their mean; the gain is bridged + direct over direct only."""
    names = [*RANKINGS.values(), "gain"] + (["random order", "seconds"] if results else [])
    rows = []
    for number, of_seed in enumerate(scores):
        row = [of_seed[preset] for preset in RANKINGS]
        row.append(of_seed["fifth_place"] - of_seed["direct"])
        if results:
            row += [results[number].chance, sum(results[number].seconds.values())]
        rows.append(row)
    print("seed  " + "".join(f"{name:>18}" for name in names))
    labelled = [*zip(map(str, seeds), rows, strict=True), ("mean", list(np.mean(rows, axis=0)))]
    for label, row in labelled:
        print(f"{label:<6}" + "".join(f"{value:>18.3f}" for value in row))


if __name__ == "__main__":
    main()
