"""The files of a cleaning: train_clean.csv, clean.csv and cleaning.json."""

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from glrtf.cleaning.inputs import Inputs
from glrtf.cleaning.judging import REASONS, Judgement
from glrtf.config.cleaning import CleanConfig
from glrtf.config.paths import with_absolute_paths
from glrtf.retrieval.ordering import first_of_each, id_ranks
from glrtf.retrieval.search.neighbors import NO_ROW
from tfrecords_tools import image_ids
from tfrecords_tools.storage import csv_files

CLEAN_TRAIN_FILE = "train_clean.csv"
ALL_FILE = "clean.csv"
DESCRIPTION_FILE = "cleaning.json"
_COLUMNS = (
    *("id", "landmark_id", "kept", "reason", "score", "cluster"),
    *("suggested_landmark_id", "near_duplicate_of"),
)


def kept_rows(judgement: Judgement, config: CleanConfig) -> npt.NDArray[np.bool_]:
    """(rows,) bool: the images that stay in train_clean.csv."""
    return ~np.isin(judgement.reasons, [REASONS.index(reason) for reason in config.drop])


def write_clean_train(path: str, inputs: Inputs, kept: npt.NDArray[np.bool_]) -> None:
    """Writes ``landmark_id,images``: landmarks and the ids of a landmark ascending.

    Args:
        path: The file.
        inputs: The inputs of the cleaning.
        kept: (rows,) bool.

    Raises:
        UserError: On an id that the file cannot represent (`image_ids.RULE`).
    """
    ids = inputs.train.ids
    image_ids.refuse_unsafe(path, ids, "embed photos with --photo_ids digest, or rename them")
    rows = np.flatnonzero(kept)
    rows = rows[np.lexsort((id_ranks(ids)[rows], inputs.codes[rows]))]
    codes = inputs.codes[rows]
    starts = np.append(first_of_each(codes), len(rows))
    lines = (
        [
            int(inputs.landmark_ids[codes[start]]),
            image_ids.join_list(one.decode() for one in ids[rows[start:stop]].tolist()),
        ]
        for start, stop in itertools.pairwise(starts)
    )
    csv_files.write(path, ["landmark_id", "images"], lines)


def write_all(path: str, inputs: Inputs, judgement: Judgement, kept: npt.NDArray[np.bool_]) -> None:
    """Writes a line for every train image, ids ascending.

    Args:
        path: The file.
        inputs: The inputs of the cleaning.
        judgement: The findings.
        kept: (rows,) bool.
    """
    order = np.empty(len(kept), np.int64)
    order[id_ranks(inputs.train.ids)] = np.arange(len(kept))
    csv_files.write(path, _COLUMNS, _lines(order, inputs, judgement, kept))


def _lines(
    rows: npt.NDArray[np.int64],
    inputs: Inputs,
    judgement: Judgement,
    kept: npt.NDArray[np.bool_],
) -> Iterator[list[Any]]:
    of_partner = [inputs.train, inputs.others.get("query"), inputs.others.get("index")]
    for row in rows.tolist():
        reason = int(judgement.reasons[row])
        suggested = int(judgement.suggested[row])
        partner, source = int(judgement.partner[row]), of_partner[int(judgement.partner_of[row])]
        cluster = int(judgement.cluster[row])
        yield [
            inputs.train.ids[row].decode(),
            int(inputs.landmark_ids[inputs.codes[row]]),
            int(kept[row]),
            REASONS[reason] if reason >= 0 else "",
            f"{judgement.right[row]:.4f}",
            cluster if cluster >= 0 else "",
            int(inputs.landmark_ids[suggested]) if suggested >= 0 else "",
            source.ids[partner].decode() if source is not None and partner != NO_ROW else "",
        ]


def description(
    config: CleanConfig, inputs: Inputs, judgement: Judgement, kept: npt.NDArray[np.bool_]
) -> dict[str, Any]:
    """The content of ``cleaning.json``: settings, inputs and counts."""
    landmarks_left = len(np.unique(inputs.codes[kept]))
    return {
        "schema_version": 1,
        "parameters": with_absolute_paths(dataclasses.asdict(config)),
        "inputs": inputs.digests,
        "counts": {
            "images": len(kept),
            "kept": int(kept.sum()),
            "landmarks": len(inputs.landmark_ids),
            "landmarks_kept": landmarks_left,
            "listed_without_row": inputs.without_row,
            **{reason: int(judgement.has(reason).sum()) for reason in REASONS},
        },
        "duplicate_similarity": judgement.duplicate_similarity,
        "wrong_labels": {
            "share": judgement.wrong.share,
            "slope": judgement.wrong.slope,
            "shift": judgement.wrong.shift,
            "expected_precision": judgement.expected_precision,
            "expected_recall": judgement.expected_recall,
        },
    }
