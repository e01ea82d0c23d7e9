"""A searcher's calibration, computed once for an index and cached."""

import dataclasses
import json
from typing import Any

from glrtf.config.service import SearcherConfig
from glrtf.retrieval.bridging.landmark_confidence import NO_LANDMARK
from glrtf.service import index_quality
from glrtf.service.calibration import Calibration
from glrtf.service.index_quality import KnownPhotos
from glrtf.service.row_searcher import RowSearcher
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files

_NAME = "calibration.json"
MOST = 500
"""Photos that answers are calibrated on."""
_VERSION = 3


def calibrated(searcher: RowSearcher, config: SearcherConfig) -> Calibration:
    """What was kept, or else leave-one-out over at most 500 photos whose landmark is known.

    Taken are index photos. Where they tell nothing of landmarks, as the train set has none of
    theirs, train photos do.

    Args:
        searcher: The searcher to calibrate.
        config: What it was opened with.
    """
    if kept := _kept(searcher, config):
        return kept
    photos = index_quality.photos_of_set(searcher.index, searcher.index_landmarks, MOST)
    fitted = _fitted(searcher, photos, f"{len(photos.rows)} index photos, each left out in turn")
    if fitted.landmark is None and searcher.train_rows is not None:
        photos = index_quality.photos_of_set(searcher.train_rows, searcher.train_landmarks, MOST)
        source = f"{len(photos.rows)} train photos, each left out in turn"
        by_train = _fitted(searcher, photos, source)
        both = "; landmarks: ".join(filter(None, (fitted.source, source)))
        fitted = dataclasses.replace(fitted, landmark=by_train.landmark, source=both)
    keep(searcher, config, fitted)
    return fitted


def _fitted(searcher: RowSearcher, photos: KnownPhotos, source: str) -> Calibration:
    if not len(photos.rows):
        return Calibration()
    found = index_quality.ask(searcher, photos)
    unknown = index_quality.ask(searcher, photos, unknown=True)
    labelled = float((searcher.index_landmarks != NO_LANDMARK).mean())
    return index_quality.calibrate(photos, found, unknown, source, labelled)


def keep(searcher: RowSearcher, config: SearcherConfig, fitted: Calibration) -> None:
    """Stores a calibration for searches in this index, replacing an earlier one."""
    values = {"key": _key(searcher, config), **fitted.as_json()}
    files.write_json(_path(config), values)


def held_out(searcher: RowSearcher, photos: KnownPhotos, config: SearcherConfig) -> Calibration:
    """The calibration by photos that are in no set; kept, where it says something.

    A curve with too few photos stays unchanged.
    """
    known = int((photos.landmarks != NO_LANDMARK).sum())
    source = f"{len(photos.rows)} held-out photos, {known} of them of known landmarks"
    fitted = _fitted(searcher, photos, source)
    if not fitted.is_known:
        return fitted
    before = _kept(searcher, config)
    if before and not (fitted.landmark and fitted.photo):
        missing = "photos" if fitted.landmark else "landmarks"
        fitted = Calibration(
            fitted.landmark or before.landmark,
            fitted.photo or before.photo,
            f"{source}; {missing}: {before.source}",
        )
    keep(searcher, config, fitted)
    return fitted


def _path(config: SearcherConfig) -> str:
    return files.join(config.cache_folder, _NAME)


def _kept(searcher: RowSearcher, config: SearcherConfig) -> Calibration | None:
    try:
        values = json.loads(files.read_bytes(_path(config)))
    except (UserError, OSError, ValueError):
        return None
    if not isinstance(values, dict) or values.get("key") != _key(searcher, config):
        return None
    return Calibration.from_json(values)


def _key(searcher: RowSearcher, config: SearcherConfig) -> dict[str, Any]:
    """All that it depends on, except for the photos searched with."""
    tables = [each for each in (config.landmarks, config.labels) if each]
    return {
        "version": _VERSION,
        "index": searcher.index.digest,
        "train": searcher.train.digest if searcher.train else "",
        "tables": [files.sha256(each) for each in tables],
        "search": dataclasses.asdict(config.search),
    }
