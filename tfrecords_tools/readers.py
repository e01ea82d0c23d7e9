"""Images' bytes by tar, offset and length, in any order, a few read ahead."""

import collections
import concurrent.futures
import itertools
import os
from collections.abc import Callable, Iterator

import google_crc32c

from tfrecords_tools import gldv2
from tfrecords_tools.errors import UserError
from tfrecords_tools.gldv2 import Layout
from tfrecords_tools.sharding import Images
from tfrecords_tools.storage import file_systems, files, remote
from tfrecords_tools.storage.checked_reading import ATTEMPTS

_AHEAD = 32
_THREADS = 16

_Place = tuple[int, int, int]
"""Number of the tar, offset, length."""


def read_images(layout: Layout, images: Images) -> Iterator[bytes]:
    """Yields the bytes of images, in the order given.

    The next 32 are fetched while earlier ones are worked on: announced to the system if they are in
    local tars, by threads if they are on gs://.

    Raises:
        UserError: If a file was truncated or deleted since it was indexed.
    """
    if files.is_remote(layout.folder):
        yield from _from_storage(layout, images)
    elif layout.tars:
        yield from _from_tars(layout, _places(images))
    else:
        for number, size in zip(images.ids.tolist(), images.sizes.tolist(), strict=True):
            path = files.join(layout.folder, gldv2.member_path(number))
            yield _checked(files.read_bytes(path), path, 0, size)


def _from_tars(layout: Layout, places: list[_Place]) -> Iterator[bytes]:
    handles: dict[int, int] = {}
    try:
        for tar in sorted({tar for tar, _, _ in places}):
            handles[tar] = _open(files.join(layout.folder, layout.tars[tar]))
        for row, (tar, offset, size) in enumerate(places):
            for later, start, length in _announced(places, row):
                file_systems.advise(handles[later], start, length, os.POSIX_FADV_WILLNEED)
            path = files.join(layout.folder, layout.tars[tar])
            yield _checked(os.pread(handles[tar], size, offset), path, offset, size)
    finally:
        for handle in handles.values():
            os.close(handle)


def _announced(places: list[_Place], row: int) -> list[_Place]:
    """What to announce before reading a row: the first 32, then one more at a time."""
    return places[row + _AHEAD - 1 : row + _AHEAD] if row else places[:_AHEAD]


def _open(path: str) -> int:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; it was deleted after it was indexed") from None
    file_systems.advise(handle, 0, 0, os.POSIX_FADV_RANDOM)
    return handle


def _from_storage(layout: Layout, images: Images) -> Iterator[bytes]:
    """Fetches by ranges of tars, or whole extracted files, 16 at a time."""

    def from_tar(tar: int, offset: int, size: int, checksum: int) -> bytes:
        path = files.join(layout.folder, layout.tars[tar])
        return _range(path, offset, size, checksum)

    def from_file(number: int, size: int) -> bytes:
        path = files.join(layout.folder, gldv2.member_path(number))
        return _checked(remote.read_bytes(path), path, 0, size)

    fetch: Callable[..., bytes] = from_tar if layout.tars else from_file
    numbers = zip(images.ids.tolist(), images.sizes.tolist(), strict=True)
    places = zip(*_columns(images), images.checksums.tolist(), strict=True)
    arguments: Iterator[tuple[int, ...]] = iter(places if layout.tars else numbers)
    with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
        waiting = collections.deque(
            pool.submit(fetch, *each) for each in itertools.islice(arguments, _AHEAD)
        )
        try:
            while waiting:
                data = waiting.popleft().result()
                waiting.extend(pool.submit(fetch, *each) for each in itertools.islice(arguments, 1))
                yield data
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _range(path: str, offset: int, size: int, checksum: int) -> bytes:
    """An image's bytes, fetched again if they differ from those that were indexed."""
    for _ in range(ATTEMPTS):
        data = remote.read_range(path, offset, size)
        if len(data) == size and (not checksum or google_crc32c.value(data) == checksum):
            return data
    raise UserError(
        f"{path}: expected the {size} bytes at {offset} that were indexed, found others: it "
        "changed since, or they were altered in transit; run the build again"
    )


def _places(images: Images) -> list[_Place]:
    return list(zip(*_columns(images), strict=True))


def _columns(images: Images) -> list[list[int]]:
    return [column.tolist() for column in (images.containers, images.offsets, images.sizes)]


def _checked(data: bytes, path: str, offset: int, size: int) -> bytes:
    if len(data) != size:
        raise UserError(
            f"{path}: expected {size} bytes at {offset}, found {len(data)}; "
            "it changed since it was indexed: run the build again"
        )
    return data
