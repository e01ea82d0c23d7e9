"""Measures an index: ``glrtf evaluate_index --index SET --train SET --landmarks CSV``."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from glrtf.config.service import EvaluateIndexConfig
from tfrecords_tools.command import cli
from tfrecords_tools.command.typed_settings import checked
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files

if TYPE_CHECKING:
    from glrtf.service.calibration import Calibration
    from glrtf.service.index_quality import KnownPhotos, Quality
    from glrtf.service.row_searcher import RowSearcher


@dataclasses.dataclass(frozen=True)
class EvaluateIndexResult:
    """The measured quality of an index.

    Attributes:
        source: A description of the photos used as queries.
        quality: How often its answers were right.
        calibration: From scores to probabilities of being right.
    """

    source: str
    quality: "Quality"
    calibration: "Calibration"


def run_evaluate_index(config: EvaluateIndexConfig) -> None:
    """Measures and prints the figures."""
    result = evaluate_index(config)
    from glrtf.service import index_quality

    print("\n".join([result.source, *index_quality.as_lines(result.quality)]))
    print(f"confidence: {result.calibration.as_line()}")


def evaluate_index(config: EvaluateIndexConfig) -> EvaluateIndexResult:
    """Searches an index with photos of known landmarks, and calibrates its answers.

    Raises:
        UserError: If sets, photos or tables are not as expected, or no photo can be answered.
    """
    config = checked(config, EvaluateIndexConfig)
    from glrtf.service import calibrating, index_quality

    searcher, photos, source = _searcher_and_photos(config)
    if not index_quality.are_answerable(searcher, photos).any():
        where = config.table or searcher.searched.labels or f"--bundle {config.bundle}"
        raise UserError(
            f"{where}: expected photos with another photo of their landmark in"
            f" {searcher.index.name}, found none; give the CSV the index was made from"
        )
    found = index_quality.ask(searcher, photos)
    quality = index_quality.measure(searcher, photos, found)
    if config.photos:
        calibration = calibrating.held_out(searcher, photos, config)
    else:
        calibration = calibrating.calibrated(searcher, config)
    if config.json:
        values = {"photos": source, **dataclasses.asdict(quality)}
        files.write_json(config.json, {**values, "calibration": calibration.as_json()})
    return EvaluateIndexResult(source, quality, calibration)


def _searcher_and_photos(config: EvaluateIndexConfig) -> "tuple[RowSearcher, KnownPhotos, str]":
    """A searcher, the photos to search with, and a description of them."""
    from glrtf.service import index_quality
    from glrtf.service.row_searcher import RowSearcher
    from glrtf.service.searched import open_searched

    if not config.photos:
        searcher = RowSearcher(open_searched(config), config)
        photos = index_quality.photos_of_set(searcher.index, searcher.index_landmarks, config.most)
        source = f"{len(photos.rows)} index photos, each searched as if it were new"
        return searcher, photos, source
    from glrtf.service import own_photos
    from glrtf.service.searcher import load_searcher

    searcher = load_searcher(config)
    photos = own_photos.embed_table(searcher, config, own_photos.to_stderr)
    return searcher, photos, f"{len(photos.rows)} photos of {config.table}"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    return cli.run(EvaluateIndexConfig, run_evaluate_index, argv=argv)
