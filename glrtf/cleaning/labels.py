"""Finds wrong labels, learned from labels that were exchanged on purpose."""

import dataclasses

import numpy as np
import numpy.typing as npt

from glrtf.cleaning import margins, mixture
from glrtf.cleaning.inputs import Inputs
from glrtf.cleaning.margins import Margins
from glrtf.cleaning.nearest import LandmarkRows
from glrtf.config.cleaning import CleanConfig
from glrtf.retrieval.search.neighbors import Neighbors


@dataclasses.dataclass(frozen=True)
class JudgedLabels:
    """The result of comparing margins.

    Attributes:
        margins: The margins of the labels.
        wrong: The map from margins to probabilities.
        right: (rows,) float64, the probability that each label is right.
        mislabelled: (rows,) bool.
        expected_precision: The expected share of those that are wrong; None if there are none.
        expected_recall: The share of labels exchanged on purpose that would be found.
    """

    margins: Margins
    wrong: mixture.WrongLabels
    right: npt.NDArray[np.float64]
    mislabelled: npt.NDArray[np.bool_]
    expected_precision: float | None
    expected_recall: float


def judge_labels(
    inputs: Inputs,
    config: CleanConfig,
    overall: Neighbors,
    own: Neighbors,
    landmarks: LandmarkRows,
) -> JudgedLabels:
    """Finds wrong labels, in rounds: images found wrong are not evidence in the next round.

    Args:
        inputs: What is cleaned.
        config: The settings.
        overall: (rows, k + 1) neighbours of all rows among themselves.
        own: (rows, w) neighbours of each row in its landmark.
        landmarks: The rows by landmark.
    """
    train, codes, number = inputs.train, inputs.codes, config.per_landmark
    counts = np.ones(len(codes), bool)
    for turn in range(config.rounds):
        of_all = margins.of_labels(overall, own, codes, counts, number)
        exchanged = margins.exchange(codes, counts, config.seed + turn)
        of_exchanged = margins.of_exchanged(
            exchanged, train, overall, landmarks, codes, counts, number
        )
        known = of_exchanged.values[np.isfinite(of_exchanged.values)]
        finite = np.isfinite(of_all.values)
        wrong = mixture.fit(of_all.values[finite], known)
        # If the landmark has no other image, there is no evidence for or against the label.
        probabilities = np.full(len(codes), wrong.share)
        probabilities[finite] = wrong.probability(of_all.values[finite])
        mislabelled = np.zeros(len(codes), bool)
        mislabelled[finite] = mixture.most_with_precision(probabilities[finite], config.precision)
        counts = ~mislabelled
    highest = of_all.values[mislabelled].max(initial=-np.inf)
    return JudgedLabels(
        of_all,
        wrong,
        1 - probabilities,
        mislabelled,
        float(probabilities[mislabelled].mean()) if mislabelled.any() else None,
        float((known <= highest).mean()) if len(known) else 0.0,
    )
