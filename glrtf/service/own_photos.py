"""Reads the photos of a folder and a table, to measure an index with them."""

import sys
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from glrtf.config.service import EvaluateIndexConfig
from glrtf.data.input_spec import InputSpec
from glrtf.retrieval.bridging.landmark_confidence import NO_LANDMARK
from glrtf.service.boxes import Box
from glrtf.service.decoder_pool import DecoderPool, DecoderTimeoutError
from glrtf.service.index_quality import KnownPhotos
from glrtf.service.photo_input import PhotoReader, Prepared, RefusedPhotoError
from glrtf.service.searcher import Searcher
from tfrecords_tools import arrange, gldv2
from tfrecords_tools.arrange import OwnPhoto
from tfrecords_tools.errors import UserError
from tfrecords_tools.progress import Progress
from tfrecords_tools.storage import files

_AT_ONCE = 32
_CPU_SECONDS = _SECONDS = 60.0


def read_photos(
    paths: list[str], specs: Sequence[InputSpec], boxes: Sequence[Box | None] = ()
) -> Iterator[Prepared | str]:
    """The pixels of image files, or the reason why a file has none.

    Args:
        paths: The files.
        specs: How the model's inputs are made.
        boxes: The part of each photo that is wanted; None for the whole photo. If empty, all
            photos are used whole.
    """
    decoders = DecoderPool(1, _CPU_SECONDS)
    try:
        read = PhotoReader(specs, decoders=decoders)
        for path, box in zip(paths, boxes or [None] * len(paths), strict=True):
            try:
                yield read(files.read_bytes(path), _SECONDS, box)
            except RefusedPhotoError as refused:
                yield f"{path}: expected a photo, found an unusable file: {refused}"
            except DecoderTimeoutError:
                yield f"{path}: expected a photo, found an unusable file: not decoded in a minute"
            except UserError as error:
                yield str(error)
            except OSError as error:
                yield f"{path}: {error.strerror}"
    finally:
        decoders.close()


def embed_table(
    searcher: Searcher, config: EvaluateIndexConfig, note: Callable[[str], None]
) -> KnownPhotos:
    """Embeds the photos of a table.

    Args:
        searcher: The searcher, with the model and the names of landmarks.
        config: The settings that name the folder and the table.
        note: Called with a line for everything that is left out or may be a mistake.

    Raises:
        UserError: If the table is invalid, or none of its photos can be read.
    """
    photos = arrange.read_table(config.photos, config.table)
    numbers = {_plain(name): number for number, name in searcher.landmark_names.items()}
    rows, kept = [], []
    pixels: list[Prepared] = []
    paths = [files.join(config.photos, each.name) for each in photos]
    with Progress("embed", len(photos), "photo") as progress:
        for photo, found in zip(photos, read_photos(paths, searcher.model.specs), strict=True):
            progress.update()
            if isinstance(found, str):
                note(found)
                continue
            kept.append(photo)
            pixels.append(found)
            if len(pixels) == _AT_ONCE:
                rows.append(searcher.model(pixels))
                pixels = []
        rows.append(searcher.model(pixels))
    if not kept:
        raise UserError(f"{config.table}: expected photos that can be read, found none")
    landmarks = [numbers.get(_plain(each.landmark), NO_LANDMARK) for each in kept]
    ids = np.array([gldv2.format_id(each.number) for each in kept], "S16")
    _note_oddities(searcher, kept, landmarks, ids, note)
    return KnownPhotos(np.concatenate(rows), ids, np.array(landmarks, np.int64))


def _note_oddities(
    searcher: Searcher,
    photos: list[OwnPhoto],
    landmarks: list[int],
    ids: np.ndarray,
    note: Callable[[str], None],
) -> None:
    pairs = zip(photos, landmarks, strict=True)
    new = sorted({p.landmark for p, mark in pairs if p.landmark and mark == NO_LANDMARK})
    if new:
        more = ", …" if len(new) > 5 else ""
        note(f"landmarks that the index does not have: {len(new)} ({', '.join(new[:5])}{more})")
    inside = int(np.isin(ids, searcher.index.ids).sum())
    if inside:
        note(
            f"{inside} of {len(ids)} photos are in the index; each is left out while it is"
            " searched, but the model may have been trained on it"
        )


def _plain(name: str) -> str:
    """A name in the form of `landmark_names`: without underscores."""
    return name.replace("_", " ").strip()


def to_stderr(line: str) -> None:
    """Prints a note to standard error."""
    print(f"note: {line}", file=sys.stderr)
