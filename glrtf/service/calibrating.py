"""The calibration of a searcher, computed once for an index and cached."""

import dataclasses
import json
from typing import Any

from glrtf.config.ranking import PUBLISHED_FOR_PHOTOS
from glrtf.config.service import SearcherConfig
from glrtf.retrieval.bridging.landmark_confidence import NO_LANDMARK
from glrtf.service import curve_data, index_quality
from glrtf.service.calibration import Calibration
from glrtf.service.index_quality import KnownPhotos
from glrtf.service.row_searcher import RowSearcher
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files

_NAME = "calibration.json"
MOST = 500
"""The largest number of photos that a calibration uses."""
_VERSION = 3


def calibrated(searcher: RowSearcher, config: SearcherConfig) -> Calibration:
    """The stored calibration, or a new one by leave-one-out over at most 500 labelled photos.

    These are index photos. If the train set has none of their landmarks, they are train photos.

    Args:
        searcher: The searcher to calibrate.
        config: The settings that it was opened with.
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
    return curve_data.calibrate(photos, found, unknown, source, labelled)


def keep(searcher: RowSearcher, config: SearcherConfig, fitted: Calibration) -> None:
    """Stores a calibration for this index, replacing an earlier one."""
    values = {"key": _key(searcher, config), **fitted.as_json()}
    files.write_json(_path(config), values)


def held_out(searcher: RowSearcher, photos: KnownPhotos, config: SearcherConfig) -> Calibration:
    """The calibration by held-out photos; stored if it has a curve.

    If there are too few photos for a curve, the earlier calibration is kept.
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
    """Everything that a calibration depends on, except for the photos searched with."""
    searched = searcher.searched
    # The table of the train photos' landmarks may also be that of the index photos.
    own = searched.labels if searched.labels != searched.landmarks else ""
    tables = [each for each in (searched.landmarks, own, searched.non_landmark_scores) if each]
    ranking = {}
    if searched.ranking != PUBLISHED_FOR_PHOTOS:
        ranking = {"ranking": dataclasses.asdict(searched.ranking)}
    return {
        **ranking,
        "version": _VERSION,
        "index": searched.index.digest,
        "train": searched.train.digest if searched.train else "",
        "tables": [files.sha256(each) for each in tables],
        "search": dataclasses.asdict(config.search),
    }
