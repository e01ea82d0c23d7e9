"""Searches with single photos: ``glrtf search PHOTO… --model M --index SET``."""

import dataclasses
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from glrtf.config.service import PhotoSearchConfig
from glrtf.service import required
from tfrecords_tools.command import cli, expected
from tfrecords_tools.command.typed_settings import checked
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files

if TYPE_CHECKING:
    from glrtf.service.answers import Answer
    from glrtf.service.calibration import Calibration


@dataclasses.dataclass(frozen=True)
class PhotoSearchResult:
    """The answers for the photos.

    Attributes:
        answers: Path → landmarks and index photos, best first.
        refused: Path → why the photo has no answer.
        calibration: From scores to probabilities of being right, if the index has one.
    """

    answers: "dict[str, Answer]"
    refused: dict[str, str]
    calibration: "Calibration"


def run_search(config: PhotoSearchConfig) -> int:
    """Searches and prints the answers; the exit code is 2 if a photo has none."""
    result = search_photos(config)
    for path in config.photos:
        if path in result.answers:
            print("\n".join([path, *result.answers[path].as_lines()]))
        else:
            print(f"glrtf search: error: {result.refused[path]}", file=sys.stderr)
    if result.answers and result.calibration.is_known:
        print(
            f"right: how often answers with such a score were right, by {result.calibration.source}"
        )
    return 2 if result.refused else 0


def search_photos(config: PhotoSearchConfig) -> PhotoSearchResult:
    """Embeds photos and searches an index with them.

    TensorFlow is loaded unless the model is an export with a LiteRT copy.

    Raises:
        UserError: If the model or the index is not as expected, or no photo can be read.
    """
    config = checked(config, PhotoSearchConfig)
    missing = _missing(config.photos)
    if len(missing) == len(config.photos):
        raise UserError(missing[config.photos[0]])
    required.require_inputs(config)
    if config.json:
        expected.new_file("--json", config.json)
    from glrtf.service.own_photos import read_photos
    from glrtf.service.searcher import open_searcher

    searcher = open_searcher(config)
    existing = [path for path in config.photos if path not in missing]
    found = dict(zip(existing, read_photos(existing, searcher.model.specs), strict=True))
    refused = {**missing, **{p: each for p, each in found.items() if isinstance(each, str)}}
    if len(refused) == len(set(config.photos)):
        raise UserError(refused[config.photos[0]])
    pixels = {path: each for path, each in found.items() if not isinstance(each, str)}
    answers = dict(zip(pixels, searcher.search(list(pixels.values()), config.limit), strict=True))
    if config.json:
        listed = [
            answers[path].as_json() if path in answers else {"error": refused[path]}
            for path in config.photos
        ]
        pairs = zip(config.photos, listed, strict=True)
        listed = [{"photo": path, **answer} for path, answer in pairs]
        files.write_json(config.json, {"answers": listed})
    return PhotoSearchResult(answers, refused, searcher.calibration)


def _missing(paths: Sequence[str]) -> dict[str, str]:
    """The photos that cannot be read, and why; checked before anything slow."""
    missing = {}
    for path in paths:
        try:
            files.read_bytes(path)
        except UserError as error:
            missing[path] = str(error)
        except OSError as error:
            missing[path] = f"{path}: {error.strerror}"
    return missing


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    return cli.run(PhotoSearchConfig, run_search, argv=argv, positional=True)
