"""How well `glrtf clean` finds wrong labels, and what a training gains from its result.

Exchanges a share of the labels of a train set among its images, cleans, and prints precision and
recall of the images found mislabelled. With query, index and solution, a within-landmark
whitening (`glrtf whiten --landmarks`) is fitted on the true, the exchanged and the cleaned labels,
and mAP@100 of direct search with each is printed, with 95 % intervals of the differences to the
exchanged ones.

    python benchmarks/cleaning.py --train sets/train --landmarks train.csv --share 0.1 --seeds 0 1 2
"""

import argparse
import contextlib
import csv
import io
import os
import tempfile

import numpy as np

from glrtf.cleaning import output
from glrtf.cleaning.inputs import open_inputs
from glrtf.cleaning.judging import REASONS, judge
from glrtf.config.cleaning import CleanConfig
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.embeddings.joined_rows import join
from glrtf.embeddings.rows import ArrayRows, gather_rows, normalized
from glrtf.evaluation import bootstrap
from glrtf.evaluation.ranking_score import RankingScorer
from glrtf.evaluation.solutions import read_retrieval_solution
from glrtf.retrieval.bridging.landmark_confidence import read_landmarks
from glrtf.retrieval.rerank import within_class
from glrtf.retrieval.search import exact
from glrtf.retrieval.stage_cache import StageCache


def exchanged(landmarks, share, seed):
    """Labels of which a share is passed on among its images, each to one of another landmark."""
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(landmarks), round(share * len(landmarks)), replace=False)
    new = landmarks.copy()
    new[rows] = landmarks[rng.permutation(rows)]
    while len(same := rows[new[rows] == landmarks[rows]]):
        one = same[0]
        fits = (new[rows] != landmarks[one]) & (landmarks[rows] != new[one])
        two = rng.choice(rows[fits])
        new[one], new[two] = new[two], new[one]
    return new


def cleaned(options, train, said, folder):
    """The judgement of labels, and which images stay."""
    table = os.path.join(folder, "train.csv")
    with open(table, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "landmark_id"])
        writer.writerows(zip([one.decode() for one in train.ids], said.tolist(), strict=True))
    config = CleanConfig(
        train=options.train, landmarks=table, output=folder, precision=options.precision
    )
    with contextlib.redirect_stderr(io.StringIO()):
        inputs = open_inputs(config)
        judgement = judge(inputs, config, StageCache(os.path.join(folder, "cache")))
    return judgement, output.kept_rows(judgement, config)


class Ranking:
    """mAP@100 of direct search with whitened rows."""

    def __init__(self, options, train):
        sets = [[EmbeddingSet.open(one) for one in each] for each in (options.query, options.index)]
        several = [train, *map(join, sets)]
        rows = [gather_rows(one, np.arange(len(one.ids))) for one in several]
        if options.dimension:
            # The main directions of the train rows: whitening has fewer numbers to invert.
            mean = rows[0].mean(axis=0)
            directions = np.linalg.svd(rows[0] - mean, full_matrices=False)[2][: options.dimension]
            rows = [normalized((one - mean) @ directions.T) for one in rows]
        self._train, self._query, self._index = map(ArrayRows, rows)
        solution = read_retrieval_solution(options.solution)
        self._scorer = RankingScorer(solution, several[1].ids, several[2].ids, "query")

    def precisions(self, landmarks, chosen):
        """(queries,) average precision with a whitening fitted on some labels; None for none."""
        rows = [gather_rows(one, np.arange(len(one.ids))) for one in (self._query, self._index)]
        if landmarks is not None:
            with contextlib.redirect_stderr(io.StringIO()):
                fitted = within_class.fit_within_class(
                    self._train, landmarks, shrinkage=0.5, chosen=chosen
                )
            rows = [fitted.apply(one) for one in rows]
        query, index = map(ArrayRows, rows)
        near = exact.search(query, index, 100)
        scored = np.arange(len(self._scorer.rows))
        return self._scorer.average_precisions(near.indices[self._scorer.rows], scored)


def report(name, precisions, before):
    """Prints the mean of average precisions and its difference to another."""
    gain = precisions - before
    low, high = bootstrap.mean_interval(gain)
    print(f"  {name:<34} {precisions.mean():.4f}  {gain.mean():+.4f} [{low:+.4f}, {high:+.4f}]")


def run(options, train, truth, ranking, seed):
    """Exchanges labels, cleans, and prints what was found."""
    said = exchanged(truth, options.share, seed) if options.share else truth
    wrong = said != truth
    with tempfile.TemporaryDirectory() as folder:
        judgement, kept = cleaned(options, train, said, folder)
    found = judgement.has("mislabelled")
    right = (found & wrong).sum()
    isolated = judgement.has("isolated")
    print(
        f"seed {seed}: {wrong.sum()} of {len(wrong)} labels exchanged; estimated share "
        f"{judgement.wrong.share:.4f}; found {found.sum()}: precision "
        f"{right / max(1, found.sum()):.4f} recall {right / max(1, wrong.sum()):.4f}; expected "
        f"{judgement.expected_precision or 0:.2f} and {judgement.expected_recall:.2f}; "
        f"wrong among the {kept.sum()} kept: {(wrong & kept).sum()}; right labels dropped as "
        f"isolated: {(isolated & ~wrong).sum()}; "
        + ", ".join(f"{reason} {judgement.has(reason).sum()}" for reason in REASONS)
    )
    if ranking is None:
        return
    before = ranking.precisions(said, None)
    report("whitened by the exchanged labels", before, before)
    report("... without mislabelled ones", ranking.precisions(said, ~found), before)
    report("... by train_clean.csv", ranking.precisions(said, kept), before)
    report("... by the true labels", ranking.precisions(truth, None), before)
    report("not whitened", ranking.precisions(None, None), before)


def main():
    """Runs every seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", nargs="+", required=True)
    parser.add_argument("--landmarks", required=True, help="the true labels")
    parser.add_argument("--share", type=float, default=0.1, help="of labels to exchange")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--precision", type=float, default=0.9)
    parser.add_argument("--query", nargs="+")
    parser.add_argument("--index", nargs="+")
    parser.add_argument("--solution")
    parser.add_argument("--dimension", type=int, default=0, help="of a PCA before whitening")
    options = parser.parse_args()
    train = join([EmbeddingSet.open(one) for one in options.train])
    truth = read_landmarks(options.landmarks, train)
    ranking = Ranking(options, train) if options.solution else None
    for seed in options.seeds:
        run(options, train, truth, ranking, seed)


if __name__ == "__main__":
    main()
