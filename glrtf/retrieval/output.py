"""The output of a retrieval: submission.csv, evidence.npz and retrieval.json."""

import csv
import io
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from glrtf.retrieval.bridging.fusion import Ranking
from glrtf.retrieval.search.neighbors import NO_ROW
from tfrecords_tools import image_ids
from tfrecords_tools.storage import files

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
        query_ids: (queries,) S dtype.
        index_ids: (index images,) S dtype.
        images: (queries, limit) int64 index rows, -1 beyond the last.

    Raises:
        UserError: On an id that the file would not carry (`image_ids.RULE`).
    """
    for ids in (query_ids, index_ids):
        image_ids.refuse_unsafe(path, ids, "embed photos with --photo_ids digest, or rename them")
    plain = not any(map(image_ids.needs_quotes, (query_ids, index_ids)))
    write = _write_plain if plain else _write_quoted
    with files.atomic_path(path) as temporary, open(temporary, "wb") as file:
        file.write(b"id,images\n")
        write(file, query_ids, index_ids, images)


def _write_plain(
    file: BinaryIO,
    query_ids: npt.NDArray[np.bytes_],
    index_ids: npt.NDArray[np.bytes_],
    images: npt.NDArray[np.int64],
) -> None:
    for query_id, rows in zip(query_ids.tolist(), images, strict=True):
        ranked = index_ids[rows[rows != NO_ROW]].tolist()
        file.write(query_id + b"," + b" ".join(ranked) + b"\n")


def _write_quoted(
    file: BinaryIO,
    query_ids: npt.NDArray[np.bytes_],
    index_ids: npt.NDArray[np.bytes_],
    images: npt.NDArray[np.int64],
) -> None:
    """As `_write_plain`, with quotes around ids and fields that need them."""
    text = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n")
    for query_id, rows in zip(query_ids.tolist(), images, strict=True):
        ranked = index_ids[rows[rows != NO_ROW]].tolist()
        listed = image_ids.join_list(image_id.decode() for image_id in ranked)
        writer.writerow([query_id.decode(), listed])
    text.detach()


def write_evidence(
    path: str,
    query_ids: npt.NDArray[np.bytes_],
    index_ids: npt.NDArray[np.bytes_],
    ranking: Ranking,
) -> None:
    """Writes, for each query's ranked images, the evidence for each.

    Arrays: query_ids (Q,) S dtype; index_ids (Q, R) S dtype, empty beyond the last; final, direct
    and bridged (Q, R) float32; landmark_id (Q, R) int64, -1 if nothing bridges. R is the limit of
    the ranking, at most the larger of 100 and the size of the index.
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
