"""Searches with single photos: ``python -m glrtf.search PHOTO… --model M --index SET``."""

import sys
from collections.abc import Sequence

from glrtf.config.service import PhotoSearchConfig
from glrtf.service import required
from tfrecords_tools import cli, expected, files
from tfrecords_tools.errors import UserError


def run_search(config: PhotoSearchConfig) -> None:
    """The command."""
    photos = [files.read_bytes(path) for path in config.photos]
    required.require_inputs(config)
    if config.json:
        expected.new_file("--json", config.json)
    from glrtf.service.photo_input import PhotoReader, RefusedPhotoError
    from glrtf.service.searcher import open_searcher

    searcher = open_searcher(config)
    read = PhotoReader(searcher.model.embedder.size)
    pixels = []
    for path, data in zip(config.photos, photos, strict=True):
        try:
            pixels.append(read(data))
        except RefusedPhotoError as refused:
            raise UserError(f"{path}: expected a photo, found a file that is {refused}") from None
    answers = searcher.search(pixels, config.limit)
    for path, answer in zip(config.photos, answers, strict=True):
        print("\n".join([path, *answer.as_lines()]))
    if config.json:
        pairs = zip(config.photos, answers, strict=True)
        listed = [{"photo": path, **answer.as_json()} for path, answer in pairs]
        files.write_json(config.json, {"answers": listed})


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    return cli.run(
        PhotoSearchConfig, run_search, prog="python -m glrtf.search", argv=argv, positional=True
    )


if __name__ == "__main__":
    sys.exit(main())
