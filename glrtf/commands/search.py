"""Searches with single photos: ``glrtf search PHOTO… --model M --index SET``."""

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from glrtf.config.service import PhotoSearchConfig
from glrtf.service import required
from tfrecords_tools.command import cli, expected
from tfrecords_tools.command.typed_settings import checked
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files

if TYPE_CHECKING:
    from glrtf.service.answers import Answer
    from glrtf.service.boxes import Box
    from glrtf.service.calibration import Calibration
    from glrtf.service.photo_input import Prepared
    from glrtf.service.queries import Query
    from glrtf.service.query_searcher import QuerySearcher


@dataclasses.dataclass(frozen=True)
class PhotoSearchResult:
    """The answers for the photos.

    Attributes:
        answers: Result for each query name: landmarks and index photos, best first. The name is the
            photo's path, the id of --like, or with --together all of them, joined by " + ".
        refused: The same names → why there is no answer.
        calibration: From scores to probabilities of being right, if the index has one.
    """

    answers: "dict[str, Answer]"
    refused: dict[str, str]
    calibration: "Calibration"


def run_search(config: PhotoSearchConfig) -> int:
    """Searches and prints the answers; the exit code is 2 if a query has none."""
    result = search_photos(config)
    for name in _names(config):
        if name in result.answers:
            print("\n".join([name, *result.answers[name].as_lines()]))
        else:
            print(f"glrtf search: error: {result.refused[name]}", file=sys.stderr)
    if result.answers and result.calibration.is_known:
        print(
            f"right: how often answers with such a score were right, by {result.calibration.source}"
        )
    return 2 if result.refused else 0


def search_photos(config: PhotoSearchConfig) -> PhotoSearchResult:
    """Embeds photos and searches an index with them.

    TensorFlow is loaded unless the model is an export with a LiteRT copy.

    Raises:
        UserError: If the model or the index is not as expected, or there is no answer at all.
    """
    config = checked(config, PhotoSearchConfig)
    boxes = _boxes(config)
    missing = _missing(config.photos)
    if missing and (config.together or len(missing) == len(config.photos)) and not config.like:
        raise UserError(next(iter(missing.values())))
    required.require_inputs(config)
    if config.json:
        expected.new_file("--json", config.json, config)
    searcher = _opened(config)
    pixels, refused = _read(config, missing, boxes, searcher)
    answers: dict[str, Answer] = {}
    queries = _queries(config, pixels, refused)
    found = searcher.ask(list(queries.values()), config.limit)
    for name, answer in zip(queries, found, strict=True):
        if isinstance(answer, UserError):
            refused[name] = str(answer)
        else:
            answers[name] = answer
    if not answers:
        raise UserError(next(iter(refused.values())))
    if config.json:
        listed = [
            answers[name].as_json() if name in answers else {"error": refused[name]}
            for name in _names(config)
        ]
        pairs = zip(_names(config), listed, strict=True)
        files.write_json(
            config.json, {"answers": [{"photo": name, **answer} for name, answer in pairs]}
        )
    return PhotoSearchResult(answers, refused, searcher.calibration)


def _names(config: PhotoSearchConfig) -> list[str]:
    """What answers are called, in order."""
    all_names = [*_photo_names(config), *config.like]
    return [" + ".join(all_names)] if config.together else all_names


def _photo_names(config: PhotoSearchConfig) -> list[str]:
    """The photos' paths, with their boxes: two boxes of one photo are two searches."""
    boxes = config.box or ["all"] * len(config.photos)
    pairs = zip(config.photos, boxes, strict=True)
    return [path if box == "all" else f"{path} [{box}]" for path, box in pairs]


def _boxes(config: PhotoSearchConfig) -> "list[Box | None]":
    """The box of each photo, None for all of it."""
    from glrtf.service import boxes

    try:
        return boxes.parse_all(config.box, len(config.photos))
    except ValueError as error:
        raise UserError(f"--box: {error}") from None


def _opened(config: PhotoSearchConfig) -> "QuerySearcher":
    """A searcher; without photos to embed one without a model."""
    if config.photos:
        from glrtf.service.searcher import open_searcher

        return open_searcher(config)
    from glrtf.service.calibrating import calibrated
    from glrtf.service.query_searcher import QuerySearcher
    from glrtf.service.searched import open_searched

    searcher = QuerySearcher(open_searched(config), config)
    searcher.calibration = calibrated(searcher, config)
    return searcher


def _read(
    config: PhotoSearchConfig,
    missing: Mapping[str, str],
    boxes: "Sequence[Box | None]",
    searcher: "QuerySearcher",
) -> "tuple[list[Prepared | None], dict[str, str]]":
    """The pixels of each photo, None where it cannot be read; and why, by its name."""
    from glrtf.service.own_photos import read_photos

    names = _photo_names(config)
    pairs = zip(names, config.photos, strict=True)
    refused = {name: missing[path] for name, path in pairs if path in missing}
    pixels: list[Prepared | None] = [None] * len(config.photos)
    places = [place for place, path in enumerate(config.photos) if path not in missing]
    if places:
        read = read_photos(
            [config.photos[place] for place in places],
            searcher.input_specs,
            [boxes[place] for place in places],
        )
        for place, found in zip(places, read, strict=True):
            if isinstance(found, str):
                refused[names[place]] = found
            else:
                pixels[place] = found
    return pixels, refused


def _queries(
    config: PhotoSearchConfig,
    pixels: "Sequence[Prepared | None]",
    refused: Mapping[str, str],
) -> "dict[str, Query]":
    """What is searched for, by name; photos that cannot be read are left out.

    Raises:
        UserError: If one of several photos of one object cannot be read.
    """
    from glrtf.service.queries import Query, Within

    within = Within(config.only_labels, config.only_folders)
    photos = [each for each in pixels if each is not None]
    if config.together:
        if refused:
            raise UserError(next(iter(refused.values())))
        [name] = _names(config)
        return {name: Query(tuple(photos), config.like, within, config.fusion)}
    pairs = zip(_photo_names(config), pixels, strict=True)
    queries = {name: Query((each,), within=within) for name, each in pairs if each is not None}
    return queries | {name: Query(like=(name,), within=within) for name in config.like}


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
