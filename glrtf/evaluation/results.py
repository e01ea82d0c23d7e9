"""Reads the results of a retrieval from its folder."""

import dataclasses
from typing import Any

import numpy as np

from glrtf.evaluation import submissions
from glrtf.evaluation.submissions import read_submission, submission_path
from glrtf.retrieval.description import RetrievalInfo
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import array_files, files, json_shapes

_SCORES = ("final", "direct", "bridged")


@dataclasses.dataclass(frozen=True)
class Evidence:
    """The scores behind a ranking, by query (rows) and rank (columns).

    Attributes:
        rows: The row of each query in the arrays.
        index_ids: (Q, k) S dtype, empty if fewer images were ranked.
        final: (Q, k) float32, the score that ordered the images.
        direct: (Q, k) float32, direct confidence.
        bridged: (Q, k) float32, bridged confidence.
        landmark_id: (Q, k) int64, the landmark of the strongest bridge; -1 for none.
    """

    rows: dict[str, int]
    index_ids: np.ndarray
    final: np.ndarray
    direct: np.ndarray
    bridged: np.ndarray
    landmark_id: np.ndarray


@dataclasses.dataclass(frozen=True)
class RetrievalResult:
    """A retrieval folder's contents.

    Attributes:
        rankings: The ranked index ids of each query, best first.
        evidence: The scores behind the rankings; None for a CSV file alone.
        info: ``retrieval.json``; empty for a CSV file alone.
    """

    rankings: dict[str, list[str]]
    evidence: Evidence | None
    info: dict[str, Any]


def read_result(path: str) -> RetrievalResult:
    """Reads a folder written by ``glrtf retrieve``, or the CSV file of a submission.

    Raises:
        UserError: If a file is missing or invalid, or the evidence belongs to another submission.
    """
    if not submissions.is_folder(path) and not files.exists(path):
        raise UserError(f"{path}: no such file or folder; expected what glrtf retrieve wrote")
    rankings = dict(read_submission(path))
    if not rankings:
        raise UserError(f"{submission_path(path)}: expected queries, found none")
    if not submissions.is_folder(path):
        return RetrievalResult(rankings, None, {})
    evidence = read_evidence(submissions.require_unchanged(path, "evidence.npz"))
    _check_same(path, rankings, evidence)
    info = json_shapes.read(files.join(path, "retrieval.json"), RetrievalInfo)
    return RetrievalResult(rankings, evidence, info)


def read_evidence(path: str) -> Evidence:
    """Reads ``evidence.npz``.

    Raises:
        UserError: If the file is missing or damaged, lacks an array, or has one of the wrong
            shape.
    """
    names = ("query_ids", "index_ids", *_SCORES, "landmark_id")
    found = array_files.load_archive(path, "the evidence of a retrieval")
    if missing := [name for name in names if name not in found]:
        raise UserError(f"{path}: not the evidence of a retrieval: it has no {missing[0]}")
    arrays = {name: found[name] for name in names}
    shape = arrays["index_ids"].shape
    for name in (*_SCORES, "landmark_id"):
        if len(shape) != 2 or arrays[name].shape != shape or shape[0] != len(arrays["query_ids"]):
            raise UserError(
                f"{path}: expected {name} of the shape {shape} of index_ids for "
                f"{len(arrays['query_ids'])} queries, found {arrays[name].shape}"
            )
    rows = {query_id.decode(): row for row, query_id in enumerate(arrays.pop("query_ids"))}
    return Evidence(rows=rows, **arrays)


def _check_same(path: str, rankings: dict[str, list[str]], evidence: Evidence) -> None:
    for query_id, ranking in rankings.items():
        row = evidence.rows.get(query_id)
        known = [] if row is None else [i.decode() for i in evidence.index_ids[row] if i]
        if known != ranking:
            raise UserError(
                f"{path}: evidence.npz ranks other images than submission.csv for query "
                f"{query_id}; run glrtf retrieve again"
            )
    if len(rankings) != len(evidence.rows):
        raise UserError(
            f"{path}: submission.csv has {len(rankings)} queries, evidence.npz "
            f"{len(evidence.rows)}; one of them was cut, run glrtf retrieve again"
        )
