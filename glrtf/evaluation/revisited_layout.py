"""Converts Revisited Oxford or Paris to the layout that shards are built from.

The names of the photos have up to 23 characters and are not hexadecimal, so every photo gets an
image id of 16 digits: a database image its position in ``imlist``, a query an ``f`` and its
position in ``qimlist``. The ground truth is rewritten with these ids.
"""

import os
from collections.abc import Sequence

from glrtf.evaluation import revisited
from glrtf.evaluation.layouts import photo_files
from glrtf.evaluation.revisited import GroundTruth
from tfrecords_tools import gldv2
from tfrecords_tools.errors import UserError
from tfrecords_tools.progress import Progress
from tfrecords_tools.storage import csv_files, files, folders

GROUND_TRUTH_FILE = "ground_truth.json"


def write_layout(ground_truth: str, photos: str, output: str) -> GroundTruth:
    """Writes ``test/`` (queries cropped to their boxes), ``index/`` and ``metadata/``.

    Index photos are hard links if the file system supports them, otherwise copies.

    Args:
        ground_truth: The published ground truth as JSON.
        photos: The folder of the photos, ``<name>.jpg``.
        output: The folder to create; it is written completely or not at all.

    Returns:
        The ground truth with the new ids.

    Raises:
        UserError: If the ground truth is invalid, a photo is missing or cannot be read, or a box
            lies outside its photo.
    """
    truth = revisited.read_ground_truth(ground_truth)
    published = files.read_json(ground_truth)
    index, queries = published["imlist"], published["qimlist"]
    _require_photos(photos, [*queries, *index])
    if os.path.exists(output):
        raise UserError(f"{output}: already exists; choose another --output or remove it")
    index_ids = [gldv2.format_id(place) for place in range(len(index))]
    query_ids = [gldv2.format_id(photo_files.FIRST_QUERY + place) for place in range(len(queries))]
    with (
        folders.atomic_folder(output) as folder,
        Progress("photos", len(index) + len(queries), "photo") as progress,
    ):
        for name, image_id in zip(queries, query_ids, strict=True):
            box = truth.queries[name].box
            photo_files.write_query(_photo_path(photos, name), box, folder, image_id)
            progress.update()
        for name, image_id in zip(index, index_ids, strict=True):
            photo_files.link(_photo_path(photos, name), folder, "index", image_id)
            progress.update()
        metadata = files.join(folder, "metadata")
        for split, ids, names in (("test", query_ids, queries), ("index", index_ids, index)):
            rows = zip(ids, names, strict=True)
            csv_files.write(files.join(metadata, f"{split}.csv"), ("id", "name"), rows)
        renamed = {"imlist": index_ids, "qimlist": query_ids, "gnd": published["gnd"]}
        files.write_json(files.join(metadata, GROUND_TRUTH_FILE), renamed)
    return revisited.read_ground_truth(files.join(output, "metadata", GROUND_TRUTH_FILE))


def _require_photos(photos: str, names: Sequence[str]) -> None:
    missing = [name for name in names if not os.path.exists(_photo_path(photos, name))]
    if missing:
        raise UserError(
            f"{photos}: expected a photo <name>.jpg for each of {len(names)} names of the ground "
            f"truth, found none for {len(missing)} of them, the first {missing[0]!r}"
        )


def _photo_path(photos: str, name: str) -> str:
    return os.path.join(photos, f"{name}.jpg")
