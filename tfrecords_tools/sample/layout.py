"""Writes photos and tables in the layout in which Google Landmarks v2 is published."""

import hashlib
import io
import tarfile
from collections.abc import Iterable, Mapping, Sequence

from tfrecords_tools.sample.plan import Photo, SamplePlan
from tfrecords_tools.storage import csv_files, files

TAR_COUNTS = {"train": 3, "index": 2, "test": 1}
"""Number of tars of each split."""

# 2019-01-01, so that equal photos give equal tars.
_TAR_TIME = 1_546_300_800


def write_tars(folder: str, split: str, photos: Mapping[str, bytes]) -> None:
    """Writes ``images_NNN.tar`` of a split and their MD5 files.

    Args:
        folder: The root of the layout.
        split: ``train``, ``index`` or ``test``.
        photos: The JPEG files by image id.
    """
    ids = sorted(photos, key=lambda image_id: hashlib.md5(image_id.encode()).digest())
    count = TAR_COUNTS[split]
    for number in range(count):
        name = f"images_{number:03d}.tar"
        data = _tar({image_id: photos[image_id] for image_id in ids[number::count]})
        files.write_bytes(files.join(folder, split, name), data)
        line = f"{hashlib.md5(data).hexdigest()}  {name}\n"
        path = files.join(folder, "md5sum", split, f"md5.images_{number:03d}.txt")
        files.write_bytes(path, line.encode())


def _tar(photos: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for image_id, data in photos.items():
            entry = tarfile.TarInfo(f"{'/'.join(image_id[:3])}/{image_id}.jpg")
            entry.size, entry.mtime = len(data), _TAR_TIME
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def write_metadata(folder: str, plan: SamplePlan) -> None:
    """Writes all CSV files of the published layout to ``metadata/``."""
    for name, (header, rows) in _tables(plan).items():
        csv_files.write(files.join(folder, "metadata", name), header, rows)


def _tables(plan: SamplePlan) -> dict[str, tuple[Sequence[str], Iterable[Sequence[object]]]]:
    train, index, test = (plan.of_split(split) for split in ("train", "index", "test"))
    ids = [landmark.landmark_id for landmark in plan.landmarks]
    index_ids = [landmark.index_landmark_id for landmark in plan.landmarks]
    by_id = sorted(plan.landmarks, key=lambda landmark: landmark.landmark_id)
    return {
        "train.csv": (
            ("id", "url", "landmark_id"),
            [(p.image_id, _url(p.image_id), ids[p.landmark]) for p in train],
        ),
        "train_clean.csv": (
            ("landmark_id", "images"),
            [(one.landmark_id, _clean(train, one.number)) for one in by_id if one.clean],
        ),
        "train_label_to_category.csv": (
            ("landmark_id", "category"),
            [(one.landmark_id, _category(one.outside, one.landmark_id)) for one in by_id],
        ),
        "index.csv": (("id",), [(p.image_id,) for p in index]),
        "test.csv": (("id",), [(p.image_id,) for p in test]),
        "index_image_to_landmark.csv": (
            ("id", "landmark_id"),
            [(p.image_id, index_ids[p.landmark]) for p in index if p.landmark >= 0],
        ),
        "retrieval_solution_v2.1.csv": (
            ("id", "images", "Usage"),
            [_retrieval_row(p, index) for p in test],
        ),
        "recognition_solution_v2.1.csv": (
            ("id", "landmarks", "Usage"),
            [(p.image_id, "" if p.landmark < 0 else ids[p.landmark], _usage(p)) for p in test],
        ),
    }


def _clean(train: Sequence[Photo], landmark: int) -> str:
    return " ".join(p.image_id for p in train if p.landmark == landmark and p.view != "none")


def _retrieval_row(query: Photo, index: Sequence[Photo]) -> tuple[str, str, str]:
    if query.landmark < 0:
        return query.image_id, "None", "Ignored"
    relevant = " ".join(p.image_id for p in index if p.landmark == query.landmark)
    return query.image_id, relevant, _usage(query)


def _usage(photo: Photo) -> str:
    return "Public" if photo.public else "Private"


def _url(image_id: str) -> str:
    return f"https://example.invalid/{image_id}.jpg"


def _category(kind: str, landmark_id: int) -> str:
    return f"http://commons.wikimedia.org/wiki/Category:Drawn_{kind}_{landmark_id}"
