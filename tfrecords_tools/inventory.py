"""Compares a split's source with its labels; every image is accounted for."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from tfrecords_tools import gldv2
from tfrecords_tools.errors import UserError
from tfrecords_tools.gldv2 import Layout
from tfrecords_tools.labels import Labels
from tfrecords_tools.scans import TarScan
from tfrecords_tools.sharding import Images


@dataclasses.dataclass(frozen=True)
class Inventory:
    """The images to write and an account of all others.

    Attributes:
        images: Labelled images that the source holds, each once.
        digests: Of each tar (or of the listing of extracted files), by name.
        counts: The source's members (``members`` = ``usable`` + ``duplicate`` +
            ``foreign`` + ``not_in_labels``) and the labels' images
            (``labelled`` = ``usable`` + ``missing``).
        left_out: Arrays of image_ids by reason: ``missing``, ``not_in_labels``,
            ``duplicate``, ``duplicate_row``.
        foreign: (tar, member name, reason) of members that are not images.
        bad_tars: Name and fault of each tar that was skipped.
    """

    images: Images
    digests: dict[str, str]
    counts: dict[str, int]
    left_out: dict[str, np.ndarray]
    foreign: tuple[tuple[str, str, str], ...]
    bad_tars: dict[str, str]

    def left_out_rows(self) -> Iterator[tuple[str, str, str]]:
        """Yields (name, reason, tar) of everything in the source or the labels that is not used."""
        for reason, ids in self.left_out.items():
            for number in ids.tolist():
                yield gldv2.format_id(number), reason, ""
        for tar, name, reason in self.foreign:
            yield name.encode("unicode_escape").decode(), reason, tar
        for tar, fault in self.bad_tars.items():
            yield tar, fault, tar


def take_inventory(layout: Layout, labels: Labels, scans: list[TarScan]) -> Inventory:
    """Joins the source's images with the labels.

    If an image occurs twice, the first is used (by tar name, then offset).
    """
    good = [scan for scan in scans if not scan.fault]
    if not good:
        raise UserError(f"{layout.folder}: every tar is bad; fetch them again")
    members = np.concatenate([scan.members for scan in good])
    checksums = np.concatenate([scan.checksums for scan in good])
    place = {tar: number for number, tar in enumerate(layout.tars)}
    containers = np.repeat(
        np.array([place.get(scan.tar, 0) for scan in good], np.int32),
        [len(scan.members) for scan in good],
    )
    ids, first = np.unique(members["id"], return_index=True)
    duplicates = np.delete(members["id"], first)
    row = np.minimum(np.searchsorted(labels.ids, ids), len(labels.ids) - 1)
    wanted = labels.ids[row] == ids
    rows = first[wanted]
    if not len(rows):
        raise UserError(
            f"{labels.source}: none of its {len(labels.ids)} images is among the {len(ids)} "
            f"in {layout.folder}; do they belong together?"
        )
    missing = np.setdiff1d(labels.ids, ids, assume_unique=True)
    images = Images(
        ids=ids[wanted],
        labels=labels.labels[row[wanted]],
        containers=containers[rows],
        offsets=members["offset"][rows],
        sizes=members["size"][rows],
        checksums=checksums[rows],
    )
    foreign = tuple((scan.tar, *entry) for scan in good for entry in scan.foreign)
    left_out = {
        "missing": missing,
        "not_in_labels": ids[~wanted],
        "duplicate": np.sort(duplicates),
        "duplicate_row": labels.duplicates,
    }
    counts = {
        "members": len(members) + len(foreign),
        "usable": len(images),
        "foreign": len(foreign),
        "labelled": len(labels.ids),
    } | {reason: len(found) for reason, found in left_out.items()}
    bad = {scan.tar: scan.fault for scan in scans if scan.fault}
    return Inventory(
        images, {scan.tar: scan.digest for scan in good}, counts, left_out, foreign, bad
    )
