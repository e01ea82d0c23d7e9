"""The Revisited Oxford and Paris protocol (Radenović et al., CVPR 2018, arXiv 1803.11285).

Every query has easy, hard and junk images. There are three setups. Each counts some of them as
positives and ignores others, as if they were not in the database:

    easy: easy images are positives; hard and junk images are ignored
    medium: easy and hard images are positives; junk images are ignored
    hard: hard images are positives; easy and junk images are ignored

The mean of a setup is over the queries that have positives in it.
"""

import dataclasses
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

import numpy as np

from glrtf.evaluation import bootstrap
from tfrecords_tools import images, pixels
from tfrecords_tools.command.cli import did_you_mean
from tfrecords_tools.errors import UserError
from tfrecords_tools.images import ImageSettings
from tfrecords_tools.storage import json_shapes

SETUPS = {
    "Easy": (("easy",), ("junk", "hard")),
    "Medium": (("easy", "hard"), ("junk",)),
    "Hard": (("hard",), ("junk", "easy")),
}
PRECISION_RANKS = (1, 5, 10)
_KINDS = ("easy", "hard", "junk")
_PHOTO = ImageSettings(min_side=1)


@dataclasses.dataclass(frozen=True)
class RevisitedQuery:
    """A query of the ground truth.

    Attributes:
        marked: The names of its ``easy``, ``hard`` and ``junk`` database images.
        box: The part of the photo that is the query: left, upper, right and lower edge in pixels;
            None for the whole photo.
    """

    marked: Mapping[str, frozenset[str]]
    box: tuple[float, float, float, float] | None


@dataclasses.dataclass(frozen=True)
class GroundTruth:
    """The ground truth of one dataset.

    Attributes:
        images: The names of the database images.
        queries: The queries by name.
    """

    images: frozenset[str]
    queries: Mapping[str, RevisitedQuery]


class _Box(TypedDict, total=False):
    bbx: tuple[float, float, float, float] | None


class _Mark(_Box):
    """The published form of a query."""

    easy: list[int]
    hard: list[int]
    junk: list[int]


class _Published(TypedDict):
    """The published form of the ground truth."""

    imlist: list[str]
    qimlist: list[str]
    gnd: list[_Mark]


def read_ground_truth(path: str) -> GroundTruth:
    """Reads the published ground truth, converted to JSON.

    The file is an object with ``imlist`` and ``qimlist``, the names of the database and query
    images, and ``gnd``. For each query, ``gnd`` has ``easy``, ``hard`` and ``junk``, positions in
    ``imlist``, and ``bbx``, the query's box.

    Raises:
        UserError: If the file is missing or does not have that form.
    """
    value = json_shapes.read(path, _Published, "convert the published file again")
    names, query_names, marks = value["imlist"], value["qimlist"], value["gnd"]
    if len(query_names) != len(marks):
        raise UserError(
            f"{path}: expected as many gnd as qimlist ({len(query_names)}), found {len(marks)}"
        )
    for kind, listed in (("imlist", names), ("qimlist", query_names)):
        if len(set(listed)) < len(listed):
            raise UserError(f"{path}: {kind}: expected every name once, found one twice")
    for number, mark in enumerate(marks):
        for kind in _KINDS:
            if wrong := [place for place in mark[kind] if not 0 <= place < len(names)]:
                raise UserError(
                    f"{path}: gnd[{number}].{kind}: expected places in imlist, 0 to "
                    f"{len(names) - 1}, found {wrong[0]}"
                )
    queries = {name: _query(names, mark) for name, mark in zip(query_names, marks, strict=True)}
    return GroundTruth(frozenset(names), queries)


def average_precision(ranks: Sequence[int], num_right: int) -> float:
    """The area under the precision-recall curve by the trapezoidal rule.

    Args:
        ranks: The ranks of the positives found, from 0 and ascending; ignored images do not count.
        num_right: The number of positives, at least 1.
    """
    area = 0.0
    for found, rank in enumerate(ranks):
        before = found / rank if rank else 1.0
        after = (found + 1) / (rank + 1)
        area += (before + after) / 2
    return area / num_right


def precision_at(ranks: Sequence[int], k: int) -> float:
    """Precision up to rank k, or up to the last positive if that is earlier."""
    if not ranks:
        return 0.0
    depth = min(max(ranks) + 1, k)
    return sum(rank < depth for rank in ranks) / depth


def right_ranks(
    ranking: Iterable[str], right: frozenset[str], left_out: frozenset[str]
) -> list[int]:
    """The ranks, from 0, of the positives in a ranking without the ignored images."""
    ranks = []
    rank = 0
    for name in ranking:
        if name in left_out:
            continue
        if name in right:
            ranks.append(rank)
        rank += 1
    return ranks


def measures(
    submission: Iterable[tuple[str, list[str]]], truth: GroundTruth, *, name: str, resamples: int
) -> dict[str, dict[str, Any]]:
    """The protocol's metrics of the rankings.

    Args:
        submission: The names of queries and of all images ranked for them; images that are not
            ranked count as not found.
        truth: The ground truth.
        name: What the submission is called in messages.
        resamples: Bootstrap resamples for the interval of mAP; 0 leaves it out.

    Returns:
        For ``Easy``, ``Medium`` and ``Hard``: ``queries``, ``map``, ``map_interval`` (95 %) and
        ``mp@k``. A query that is missing from the submission scores 0.

    Raises:
        UserError: If a name is not in the ground truth, or an image is ranked twice.
    """
    rankings = _checked(submission, truth, name)
    result: dict[str, dict[str, Any]] = {}
    for setup, (right_kinds, junk_kinds) in SETUPS.items():
        precisions, at_ranks = [], []
        for query_name, query in truth.queries.items():
            right = frozenset().union(*(query.marked[kind] for kind in right_kinds))
            left_out = frozenset().union(*(query.marked[kind] for kind in junk_kinds))
            if not right:
                continue
            ranks = right_ranks(rankings.get(query_name, ()), right, left_out)
            precisions.append(average_precision(ranks, len(right)))
            at_ranks.append([precision_at(ranks, k) for k in PRECISION_RANKS])
        result[setup] = _summary(np.array(precisions), np.array(at_ranks), resamples)
    return result


def crop_query(data: bytes, box: pixels.Box | None) -> bytes:
    """Crops a query photo to its box, as the protocol requires before it is embedded.

    Args:
        data: The bytes of an image file.
        box: Left, upper, right and lower edge in pixels; None for the whole photo.

    Returns:
        The given bytes without a box, otherwise the bytes of a JPEG file, turned upright like the
        index photos.

    Raises:
        OSError: If the builder would reject the photo for its size, format or damage, or the box
            lies outside it.
    """
    if box is None:
        return data
    try:
        cut = images.upright_image(data, _PHOTO, box=box)
    except images.RejectedError as rejected:
        raise OSError(str(rejected)) from None
    out = io.BytesIO()
    cut.save(out, "JPEG", quality=95, subsampling=0)
    return out.getvalue()


def _query(names: Sequence[str], mark: Mapping[str, Any]) -> RevisitedQuery:
    box = mark.get("bbx")
    if box is not None:
        left, upper, right, lower = map(float, box)
        box = (left, upper, right, lower)
    marked = {kind: frozenset(names[place] for place in mark[kind]) for kind in _KINDS}
    return RevisitedQuery(marked, box)


def _checked(
    submission: Iterable[tuple[str, list[str]]], truth: GroundTruth, name: str
) -> dict[str, list[str]]:
    rankings = dict(submission)
    for query_name, ranking in rankings.items():
        if query_name not in truth.queries:
            near = did_you_mean(query_name, list(truth.queries))
            raise UserError(f"{name}: query {query_name!r} is not in the ground truth{near}")
        if len(set(ranking)) < len(ranking):
            raise UserError(f"{name}: query {query_name!r} ranks an image twice")
        if unknown := set(ranking) - truth.images:
            raise UserError(
                f"{name}: query {query_name!r} ranks {min(unknown)!r}, which is not in imlist"
            )
    return rankings


def _summary(precisions: np.ndarray, at_ranks: np.ndarray, resamples: int) -> dict[str, Any]:
    if not len(precisions):
        return {"queries": 0}
    summary: dict[str, Any] = {"queries": len(precisions), "map": float(precisions.mean())}
    if resamples:
        summary["map_interval"] = list(bootstrap.mean_interval(precisions, resamples=resamples))
    means = at_ranks.mean(axis=0)
    return summary | {f"mp@{k}": float(m) for k, m in zip(PRECISION_RANKS, means, strict=True)}
