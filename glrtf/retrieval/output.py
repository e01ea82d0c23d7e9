"""What retrieval leaves: submission.csv, evidence.npz and retrieval.json."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from glrtf.retrieval.fusion import Ranking
from glrtf.retrieval.neighbors import NO_ROW
from tfrecords_tools import files

SUBMISSION_FILE = "submission.csv"
EVIDENCE_FILE = "evidence.npz"
RETRIEVAL_FILE = "retrieval.json"

_QUERIES_A_BLOCK = 4096


def write_submission(
    path: str,
    query_ids: npt.NDArray[np.bytes_],
    index_ids: npt.NDArray[np.bytes_],
    images: npt.NDArray[np.int64],
) -> None:
    """Writes `id,images`: every query once, its images best first.

    Args:
        path: The CSV file.
        query_ids: (queries,) S16.
        index_ids: (index images,) S16.
        images: (queries, limit) int64 index rows, -1 beyond the last.
    """
    with files.atomic_path(path) as temporary, open(temporary, "wb") as file:
        file.write(b"id,images\n")
        for start in range(0, len(images), _QUERIES_A_BLOCK):
            block = slice(start, start + _QUERIES_A_BLOCK)
            file.write(_lines(query_ids[block], index_ids, images[block]))


def _lines(
    query_ids: npt.NDArray[np.bytes_],
    index_ids: npt.NDArray[np.bytes_],
    images: npt.NDArray[np.int64],
) -> bytes:
    """Lines of the CSV: a table of characters, its unused places left out."""
    queries, limit = images.shape
    width = index_ids.dtype.itemsize + 1
    text = np.zeros((queries, (limit + 1) * width), np.uint8)
    cells = text.reshape(queries, limit + 1, width)
    cells[:, 0, :-1] = _characters(query_ids)
    cells[:, 0, -1] = ord(",")
    there = images != NO_ROW
    cells[:, 1:, :-1] = _characters(index_ids)[images]
    cells[:, 1:, -1] = ord(" ")
    if not there.all():
        cells[:, 1:][~there] = 0
    ends = there.sum(axis=1)
    cells[np.arange(queries), ends, -1] = ord("\n")
    cells[ends == 0, 0, -1], cells[ends == 0, 1, 0] = ord(","), ord("\n")
    return text.tobytes() if text.all() else text[text != 0].tobytes()


def _characters(ids: npt.NDArray[np.bytes_]) -> npt.NDArray[np.uint8]:
    """(n, 16) of (n,) ids; 0 beyond a shorter one's end."""
    ids = np.ascontiguousarray(ids)
    return ids.view(np.uint8).reshape(len(ids), ids.dtype.itemsize)


def write_evidence(
    path: str,
    query_ids: npt.NDArray[np.bytes_],
    index_ids: npt.NDArray[np.bytes_],
    ranking: Ranking,
) -> None:
    """Writes, for each query's ranked images, what speaks for them.

    Arrays: query_ids (Q,) S16; index_ids (Q, limit) S16, empty beyond the
    last; final, direct and bridged (Q, limit) float32; landmark_id (Q, limit)
    int64, -1 where nothing bridges.
    """
    names = np.zeros(ranking.images.shape, index_ids.dtype)
    for start in range(0, len(names), _QUERIES_A_BLOCK):
        block = slice(start, start + _QUERIES_A_BLOCK)
        ranked = ranking.images[block]
        names[block] = np.where(ranked == NO_ROW, b"", index_ids[ranked])
    buffer = io.BytesIO()
    np.savez(
        buffer,
        query_ids=query_ids,
        index_ids=names,
        final=ranking.final.astype(np.float32),
        direct=ranking.direct.astype(np.float32),
        bridged=ranking.bridged.astype(np.float32),
        landmark_id=ranking.landmarks,
    )
    files.write_bytes(path, buffer.getvalue())


def write_description(path: str, description: Mapping[str, Any]) -> None:
    """Writes retrieval.json: parameters, inputs, counts and seconds."""
    files.write_json(path, dict(description))
