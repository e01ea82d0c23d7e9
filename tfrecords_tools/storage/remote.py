"""Objects on Google Cloud Storage, behind the functions of `files`.

Credentials are the library's own defaults; STORAGE_EMULATOR_HOST is honoured.
Responses 408, 429 and 5xx, resets and stalls are retried until a deadline; 403 and similar ones are
not. No received byte is trusted: complete objects are compared with their checksum here, because
the client library does not do so if a response has none or a download was resumed.
"""

import base64
import contextlib
import dataclasses
import functools
import io
import os
import warnings
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

import google_crc32c

from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import checked_reading, client_errors, names

SCHEME = names.SCHEME
DEADLINE = 600.0
"""Seconds until a request that keeps failing is abandoned."""
TIMEOUT = 60.0
"""Seconds without a response until a request is retried."""
FIRST_DELAY = 0.5
"""The longest delay in seconds before the first retry, a random part of which is waited; doubled
each time."""
_CONNECTIONS = 64
_CHUNK = 8 << 20
_GZIP = "gzip"


@dataclasses.dataclass(frozen=True)
class FileState:
    """What is known about a file without reading it.

    Attributes:
        size: Bytes, as stored.
        version: Changes when the file does: its generation, or its time of change on disk.
        crc32c: Of its bytes as stored; None if it would have to be read for it.
        md5: 32 hex digits; None if it would have to be read for it, and for
            composite objects, which have none.
        encoding: ``gzip`` for objects that are stored compressed; empty for all others.
    """

    size: int
    version: str
    crc32c: int | None = None
    md5: str | None = None
    encoding: str = ""


def state(path: str) -> FileState | None:
    """An object's state, None if there is none."""
    with _reported(path, "looking it up"):
        blob = _bucket(path).get_blob(names.object_name(path), retry=_retry(), timeout=TIMEOUT)
        return _state_of(blob) if blob is not None else None


def states(folder: str) -> dict[str, FileState]:
    """The states of all objects directly below a prefix, by name, from one listing."""
    return {name: _state_of(blob) for name, blob in _list(folder)[0]}


def _state_of(blob: Any) -> FileState:
    md5 = base64.b64decode(blob.md5_hash).hex() if blob.md5_hash else None
    encoding = _GZIP if blob.content_encoding == _GZIP else ""
    return FileState(int(blob.size), str(blob.generation), _checksum_of(blob), md5, encoding)


def _checksum_of(blob: Any) -> int:
    return int.from_bytes(base64.b64decode(blob.crc32c), "big")


def exists(path: str) -> bool:
    """Whether there is an object of that name, or any below it."""
    if names.name(path) and state(path) is not None:
        return True
    with _reported(path, "listing it"):
        bucket, prefix = names.bucket_name(path), names.prefix(path)
        options = {"max_results": 1, "retry": _retry(), "timeout": TIMEOUT}
        return any(True for _ in client().list_blobs(bucket, prefix=prefix, **options))


def list_names(folder: str) -> list[str] | None:
    """The names directly below a prefix, sorted; None if there are none.

    Empty objects named like a folder, which consoles and mounts create, do not count.
    """
    objects, folders, is_folder = _list(folder)
    if not objects and not folders and not is_folder:
        return None
    return sorted({name for name, _ in objects} | folders)


def walk(folder: str) -> Iterator[tuple[str, int]]:
    """Yields the name below `folder` and the size of every object below it."""
    bucket, prefix = names.bucket_name(folder), names.prefix(folder)
    with _reported(folder, "listing it"):
        found = client().list_blobs(bucket, prefix=prefix, retry=_retry(), timeout=TIMEOUT)
        for blob in found:
            name, size = blob.name[len(prefix) :], int(blob.size)
            if not names.is_folder(name, size):
                yield name, size


def open_read(path: str) -> BinaryIO:
    """Opens an object for reading, fetched in pieces of 8 MiB of one generation.

    Read from its start to its end, it is compared with its checksum: the last piece is returned
    only if the checksum matches. Compressed objects are decompressed.

    Raises:
        UserError: If there is no such object; while reading, if it was altered in transit.
    """
    known = state(path)
    if known is None:
        raise UserError(f"{path}: no such file")

    def read(offset: int, length: int) -> bytes:
        return read_range(path, offset, length, known.version)

    pieces = checked_reading.Pieces(path, known.size, known.crc32c, read)
    file: io.BufferedIOBase = io.BufferedReader(pieces, _CHUNK)
    if known.encoding == _GZIP:
        file = io.BufferedReader(checked_reading.Decompressed(path, file), 1 << 20)
    return cast(BinaryIO, file)


def read_bytes(path: str) -> bytes:
    """A whole object's bytes, decompressed where stored compressed, compared with its checksum.

    Raises:
        UserError: If there is no such object, or it was altered in transit repeatedly.
    """
    for _ in range(checked_reading.ATTEMPTS):
        with _reported(path, "reading it"):
            blob = _bucket(path).blob(names.object_name(path))
            data = _download(blob)
            compressed = blob.content_encoding == _GZIP
            checksum = _checksum_of(blob) if blob.crc32c else None
        if checksum is None:
            known = state(path)
            if known is None:
                raise UserError(f"{path}: no such file")
            checksum, compressed = known.crc32c, known.encoding == _GZIP
        if google_crc32c.value(data) == checksum:
            return checked_reading.decompress(path, data) if compressed else data
    raise checked_reading.altered(path)


def read_range(path: str, offset: int, length: int, generation: str | None = None) -> bytes:
    """Bytes of an object; fewer at its end. They have no checksum.

    Args:
        path: The object.
        offset: Their offset in the stored object.
        length: How many.
        generation: The version to read; None reads the current one.
    """
    from google.api_core.exceptions import NotFound, RequestRangeNotSatisfiable

    if not length:
        return b""
    with _reported(path, f"reading {length} bytes at {offset}"):
        number = int(generation) if generation else None
        blob = _bucket(path).blob(names.object_name(path), generation=number)
        try:
            return _download(blob, start=offset, end=offset + length - 1)
        except RequestRangeNotSatisfiable:
            return b""
        except NotFound:
            if generation is None:
                raise
            raise UserError(
                f"{path}: it was replaced or deleted while it was read; run the same command again"
            ) from None


def _download(blob: Any, **span: int) -> bytes:
    options = {"checksum": None, "raw_download": True, "retry": _retry(), "timeout": TIMEOUT}
    return blob.download_as_bytes(**span, **options)


def upload(local: str, path: str, crc32c: int, *, new: bool = False) -> None:
    """Uploads a local file as an object, completely or not at all.

    The object is replaced only if it has not changed since it was looked up; if another builder was
    faster, equal bytes are accepted.

    Args:
        local: The file.
        path: The object's name.
        crc32c: The file's checksum.
        new: Whether the caller knows, from a listing, that no such object exists; saves a request.

    Raises:
        UserError: If another builder wrote different bytes in the meantime, or storage refuses or
            does not respond until the deadline.
    """
    from google.api_core.exceptions import PreconditionFailed

    before = None if new else state(path)
    if before and (before.crc32c, before.size) == (crc32c, os.path.getsize(local)):
        return
    with _reported(path, "writing it"):
        blob = _bucket(path).blob(names.object_name(path))
        try:
            blob.upload_from_filename(
                local,
                checksum="crc32c",
                if_generation_match=int(before.version) if before else 0,
                retry=_retry(),
                timeout=TIMEOUT,
            )
            if _checksum_of(blob) != crc32c:
                raise checked_reading.altered(path)
        except PreconditionFailed:
            now = state(path)
            if now is None or now.crc32c != crc32c:
                raise UserError(
                    f"{path}: another builder wrote other bytes there meanwhile; let one finish, "
                    "then run this one again"
                ) from None


def delete(path: str) -> None:
    """Deletes an object, if it exists."""
    from google.api_core.exceptions import NotFound

    with _reported(path, "deleting it"), contextlib.suppress(NotFound):
        _bucket(path).delete_blob(names.object_name(path), retry=_retry(), timeout=TIMEOUT)


def _list(folder: str) -> tuple[list[tuple[str, Any]], set[str], bool]:
    """Objects and prefixes directly below a prefix, and whether an object represents the folder."""
    bucket, prefix = names.bucket_name(folder), names.prefix(folder)
    with _reported(folder, "listing it"):
        options = {"delimiter": "/", "retry": _retry(), "timeout": TIMEOUT}
        found = client().list_blobs(bucket, prefix=prefix, **options)
        below = [(blob.name[len(prefix) :], blob) for blob in found]
        objects = [
            (name, blob) for name, blob in below if not names.is_folder(name, int(blob.size))
        ]
        folders = {name[len(prefix) :].rstrip("/") for name in found.prefixes}
    return objects, folders, len(objects) < len(below)


def _bucket(path: str) -> Any:
    name = names.bucket_name(path)  # Before signing in.
    return client().bucket(name)


@functools.cache
def client() -> Any:
    """This process's client; its sessions have enough connections for all reading threads."""
    _require()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        from google.cloud import storage
    import requests.adapters

    client = storage.Client()
    adapter = requests.adapters.HTTPAdapter(pool_maxsize=_CONNECTIONS)
    client._http.mount("https://", adapter)
    client._http.mount("http://", adapter)
    client._http.hooks["response"].append(client_errors.read_body)
    return client


def _retry() -> Any:
    from google.cloud.storage.retry import DEFAULT_RETRY

    delays = {"initial": FIRST_DELAY, "maximum": 60 * FIRST_DELAY, "multiplier": 2}
    return DEFAULT_RETRY.with_timeout(DEADLINE).with_delay(**delays)


def _require() -> None:
    """Reports in one line what to install if the storage client is missing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            import google.cloud.storage  # noqa: F401
    except ImportError:
        raise UserError(client_errors.INSTALL) from None


@contextlib.contextmanager
def _reported(path: str, operation: str) -> Iterator[None]:
    """See `storage_errors.reported`."""
    _require()
    with client_errors.reported(path, operation, DEADLINE):
        yield
