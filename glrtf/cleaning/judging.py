"""A cleaning, in its steps: neighbours, margins, wrong labels, clusters, near-duplicates."""

import dataclasses
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from glrtf.cleaning import clusters, duplicates, mixture
from glrtf.cleaning.clusters import Verifier
from glrtf.cleaning.inputs import Inputs
from glrtf.cleaning.labels import JudgedLabels, judge_labels
from glrtf.cleaning.margins import Margins
from glrtf.cleaning.nearest import LandmarkRows, overall_blocks, own_neighbors
from glrtf.config.cleaning import CleanConfig
from glrtf.photos.verifiers import FoundPhotos
from glrtf.retrieval.bridging.landmark_confidence import NO_LANDMARK
from glrtf.retrieval.search.cached import CachedSearch
from glrtf.retrieval.search.neighbors import NO_ROW, Neighbors
from glrtf.retrieval.stage_cache import StageCache

REASONS = ("leak", "non_landmark", "mislabelled", "conflict", "isolated", "duplicate")
"""In order of precedence: the first reason that applies is reported."""
_RESERVE = 5
"""Additional neighbours of the same landmark, which replace nearer ones found mislabelled."""
_SCATTERED = 10
"""An isolated image may show no landmark if no two of this many nearest images show the same
one."""


@dataclasses.dataclass(frozen=True)
class Judgement:
    """The findings for every train image.

    Attributes:
        reasons: (rows,) int64, places in `REASONS`; -1 for images without a reason.
        right: (rows,) float64, the probability that the label is right, from the margin alone.
        suggested: (rows,) int64, the best other landmark as a place in the landmark ids; -1 for
            none.
        cluster: (rows,) int64, the number of its cluster in its landmark, the largest being 0;
            -1 for none.
        partner: For leaks the row in the set that `partner_of` names, for conflicts and duplicates
            the train row; -1 for none.
        partner_of: (rows,) int8, 0 for train, 1 for query, 2 for index.
        margins: The margins of the labels.
        wrong: The map from margins to probabilities.
        expected_precision: The expected share of images found mislabelled that really are; None if
            none were found.
        expected_recall: The share of labels exchanged on purpose that would be found.
        duplicate_similarity: From which on images count as near-duplicates.
    """

    reasons: npt.NDArray[np.int64]
    right: npt.NDArray[np.float64]
    suggested: npt.NDArray[np.int64]
    cluster: npt.NDArray[np.int64]
    partner: npt.NDArray[np.int64]
    partner_of: npt.NDArray[np.int8]
    margins: Margins
    wrong: mixture.WrongLabels
    expected_precision: float | None
    expected_recall: float
    duplicate_similarity: float

    def has(self, reason: str) -> npt.NDArray[np.bool_]:
        """(rows,) bool: which images have that reason."""
        return self.reasons == REASONS.index(reason)


def judge(
    inputs: Inputs, config: CleanConfig, cache: StageCache, verifier: Verifier | None = None
) -> Judgement:
    """Examines every train image.

    Args:
        inputs: What is cleaned.
        config: The settings.
        cache: Where the neighbours of all images are cached.
        verifier: Confirms agreements, if any.

    Raises:
        UserError: On a bad row, or if the verifier fails.
    """
    train, codes = inputs.train, inputs.codes
    count = len(train.ids)
    search = CachedSearch(config.search, cache)
    wanted = min(config.neighbors, count - 1) + 1
    overall = search.neighbors("overall_neighbors", train, train, wanted)
    landmarks = LandmarkRows.of(codes)
    own = own_neighbors(train, landmarks, config.per_landmark + _RESERVE)
    labels = judge_labels(inputs, config, overall, own, landmarks)
    found = {
        "mislabelled": labels.mislabelled,
        "non_landmark": _nearer_to_none(inputs, config, labels.margins, cache.folder),
    }
    cluster = _clusters(inputs, config, own, labels, verifier)
    found["isolated"] = cluster == clusters.NO_CLUSTER
    if inputs.non_landmark is None:
        scattered = _scattered(overall, codes)
        found["non_landmark"] = found["isolated"] & scattered & ~labels.mislabelled
    partner, partner_of = np.full(count, NO_ROW, np.int64), np.zeros(count, np.int8)
    least = duplicates.least_similarity(overall, config.duplicate_distance)
    _find_duplicates(inputs, least, overall, labels, found, partner)
    _find_leaks(inputs, config, least, cache.folder, found, partner, partner_of)
    reasons = np.full(count, -1, np.int64)
    for place in reversed(range(len(REASONS))):
        reasons[found[REASONS[place]]] = place
    shows_partner = np.isin(reasons, [REASONS.index(r) for r in ("leak", "conflict", "duplicate")])
    return Judgement(
        reasons,
        labels.right,
        labels.margins.other_codes,
        cluster,
        np.where(shows_partner, partner, NO_ROW),
        partner_of,
        labels.margins,
        labels.wrong,
        labels.expected_precision,
        labels.expected_recall,
        least,
    )


def _nearer_to_none(
    inputs: Inputs, config: CleanConfig, of_all: Margins, folder: str
) -> npt.NDArray[np.bool_]:
    """(rows,) bool: which are nearer to images without landmark than to those of any landmark."""
    result = np.zeros(len(inputs.codes), bool)
    if inputs.non_landmark is None:
        return result
    from glrtf.retrieval.bridging import non_landmark
    from glrtf.retrieval.search import backends

    k = min(config.per_landmark, len(inputs.non_landmark.ids))
    first = 0
    for near in backends.search_blocks(
        inputs.train, inputs.non_landmark, k, 0, config.search, folder, "non-landmark"
    ):
        similarity = non_landmark.confidences(near)
        block = slice(first, first + len(similarity))
        best = np.maximum(of_all.own[block], of_all.other[block])
        result[block] = similarity > best
        first += len(similarity)
    return result


def _clusters(
    inputs: Inputs,
    config: CleanConfig,
    own: Neighbors,
    labels: JudgedLabels,
    verifier: Verifier | None,
) -> npt.NDArray[np.int64]:
    left, right = clusters.agreements(own, labels.margins, ~labels.mislabelled)
    if verifier is not None:
        name = f"--verifier {config.verifier}" if config.verifier else "verifier"
        photos = FoundPhotos(config.images, "--images") if config.images else None
        confirmed = clusters.verified(
            left, right, inputs.train, verifier, config.verifier_least, name, photos
        )
        left, right = left[confirmed], right[confirmed]
    names = clusters.components(len(inputs.codes), left, right)
    return clusters.numbered_by_size(names, inputs.codes, config.min_cluster)


def _scattered(overall: Neighbors, codes: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """(rows,) bool: images of which no two nearest images show the same landmark."""
    return np.concatenate(list(_scattered_blocks(overall, codes)))


def _scattered_blocks(
    overall: Neighbors, codes: npt.NDArray[np.int64]
) -> Iterator[npt.NDArray[np.bool_]]:
    for _, near in overall_blocks(overall, "agreement"):
        rows = near.indices[:, :_SCATTERED]
        valid = rows != NO_ROW
        shown = np.sort(np.where(valid, codes[rows], NO_LANDMARK), axis=1)
        pairs = (shown[:, 1:] == shown[:, :-1]) & (shown[:, 1:] != NO_LANDMARK)
        yield ~pairs.any(axis=1) & (valid.sum(axis=1) == _SCATTERED)


def _find_duplicates(
    inputs: Inputs,
    least: float,
    overall: Neighbors,
    labels: JudgedLabels,
    found: dict[str, npt.NDArray[np.bool_]],
    partner: npt.NDArray[np.int64],
) -> None:
    """Finds near-duplicates within a landmark, and of two landmarks, where one label is wrong."""
    codes, ids = inputs.codes, inputs.train.ids
    pairs = duplicates.within_train(overall, least)
    same = codes[pairs.left] == codes[pairs.right]
    repeated = duplicates.duplicates_of(pairs.take(same), ids)
    found["duplicate"] = repeated != NO_ROW
    partner[found["duplicate"]] = repeated[found["duplicate"]]
    # Of two labels of one photo, the one with the lower margin is doubtful; if equal, both are.
    values = labels.margins.values
    settled = labels.mislabelled[pairs.left] | labels.mislabelled[pairs.right]
    doubted = ~same & ~settled & (values[pairs.left] <= values[pairs.right])
    of_each = duplicates.nearest_of_each(pairs.take(doubted), len(codes))
    found["conflict"] = of_each != NO_ROW
    partner[found["conflict"]] = of_each[found["conflict"]]


def _find_leaks(
    inputs: Inputs,
    config: CleanConfig,
    least: float,
    folder: str,
    found: dict[str, npt.NDArray[np.bool_]],
    partner: npt.NDArray[np.int64],
    partner_of: npt.NDArray[np.int8],
) -> None:
    """Finds train images that test or index images repeat."""
    found["leak"] = np.zeros(len(inputs.codes), bool)
    for number, role in enumerate(("query", "index"), start=1):
        others = inputs.others.get(role)
        if others is None:
            continue
        pairs = duplicates.with_others(others, inputs.train, least, config.search, folder, role)
        of_each = duplicates.nearest_of_each(pairs, len(inputs.codes))
        # A test image takes precedence over an index image.
        new = (of_each != NO_ROW) & ~found["leak"]
        found["leak"] |= new
        partner[new], partner_of[new] = of_each[new], number
