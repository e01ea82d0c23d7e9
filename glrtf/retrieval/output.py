"""What retrieval leaves: submission.csv, evidence.npz and retrieval.json."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from glrtf.retrieval.fusion import Ranking
from glrtf.retrieval.neighbors import NO_ROW
from tfrecords_tools import files, image_ids

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

    Raises:
        UserError: On an id that the file would not carry (`image_ids.RULE`).
    """
    for ids in (query_ids, index_ids):
        image_ids.refuse_unsafe(path, ids, "embed photos with --photo_ids digest, or rename them")
    width = max(query_ids.itemsize, index_ids.itemsize)
    # The last stands for an image that is not there, row -1.
    cells = np.concatenate(
        [
            _cells(index_ids, b" ", width),
            _cells(query_ids, b",", width),
            np.zeros(1, f"V{width + 1}"),
        ]
    )
    with files.atomic_path(path) as temporary, open(temporary, "wb") as file:
        file.write(b"id,images\n")
        for start in range(0, len(images), _QUERIES_A_BLOCK):
            shown = images[start : start + _QUERIES_A_BLOCK]
            first = len(index_ids) + start
            file.write(_lines(cells, np.arange(first, first + len(shown)), shown))


def _cells(ids: npt.NDArray[np.bytes_], end: bytes, width: int) -> npt.NDArray[np.void]:
    """(n,) cells of `width` + 1 characters, zeros where an id is shorter."""
    cells = np.zeros((len(ids), width + 1), np.uint8)
    cells[:, : ids.itemsize] = np.ascontiguousarray(ids).view(np.uint8).reshape(len(ids), -1)
    cells[:, -1] = ord(end)
    return cells.view(f"V{width + 1}").reshape(-1)


def _lines(
    cells: npt.NDArray[np.void], queries: npt.NDArray[np.int64], images: npt.NDArray[np.int64]
) -> memoryview:
    """Lines of the CSV: a table of cells, its unused characters left out."""
    shown = cells.take(np.column_stack([queries, images]), mode="wrap")
    text = shown.view(np.uint8).reshape(*shown.shape, -1)
    ends = (images != NO_ROW).sum(axis=1)
    text[np.arange(len(images)), ends, -1] = ord("\n")
    none = np.flatnonzero(ends == 0)
    text[none, 0, -1], text[none, 1, -1] = ord(","), ord("\n")
    written = text.reshape(-1)
    return (written if written.all() else written[written != 0]).data


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
