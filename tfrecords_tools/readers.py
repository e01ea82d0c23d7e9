"""Images' bytes by tar, offset and length, in any order, a few read ahead."""

import os
from collections.abc import Iterator

from tfrecords_tools import files, gldv2
from tfrecords_tools.errors import UserError
from tfrecords_tools.gldv2 import Layout
from tfrecords_tools.sharding import Images

_AHEAD = 32


def read_images(layout: Layout, images: Images) -> Iterator[bytes]:
    """Yields the bytes of images, in the order given.

    The next 32 are announced to the system beforehand, so that it fetches them
    while earlier ones are worked on.

    Raises:
        UserError: If a file shrank or went since it was indexed.
    """
    if layout.tars:
        yield from _from_tars(layout, images)
    else:
        for number in images.ids:
            yield files.read_bytes(files.join(layout.folder, gldv2.member_path(int(number))))


def _from_tars(layout: Layout, images: Images) -> Iterator[bytes]:
    handles: dict[int, int] = {}
    places = list(
        zip(images.containers.tolist(), images.offsets.tolist(), images.sizes.tolist(), strict=True)
    )
    try:
        for tar in sorted({tar for tar, _, _ in places}):
            handles[tar] = _open(files.join(layout.folder, layout.tars[tar]))
        for row, (tar, offset, size) in enumerate(places):
            for later, start, length in _announced(places, row):
                os.posix_fadvise(handles[later], start, length, os.POSIX_FADV_WILLNEED)
            data = os.pread(handles[tar], size, offset)
            if len(data) != size:
                path = files.join(layout.folder, layout.tars[tar])
                raise UserError(
                    f"{path}: expected {size} bytes at {offset}, found {len(data)}; "
                    "it changed since it was indexed: run the build again"
                )
            yield data
    finally:
        for handle in handles.values():
            os.close(handle)


def _announced(places: list[tuple[int, int, int]], row: int) -> list[tuple[int, int, int]]:
    """What to announce before reading a row: the first 32, then one more at a time."""
    return places[row + _AHEAD - 1 : row + _AHEAD] if row else places[:_AHEAD]


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; it went since it was indexed") from None
