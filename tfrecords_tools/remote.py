"""Objects on Google Cloud Storage, behind the functions of `files`.

Credentials are the library's own defaults; STORAGE_EMULATOR_HOST is honoured.
Answers 408, 429 and 5xx, resets and stalls are tried again until a deadline;
403 and the like are not.
"""

import base64
import contextlib
import dataclasses
import functools
import os
import warnings
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

from tfrecords_tools.errors import UserError, how_to_install

SCHEME = "gs://"
DEADLINE = 600.0
"""Seconds until a request that keeps failing is given up."""
TIMEOUT = 60.0
"""Seconds without an answer until a request is tried again."""
FIRST_DELAY = 0.5
"""Seconds before the first new try, of which a random part is waited; doubled each time."""
_CONNECTIONS = 64
_CHUNK = 8 << 20


@dataclasses.dataclass(frozen=True)
class FileState:
    """What is known of a file without reading it.

    Attributes:
        size: Bytes.
        version: Changes when the file does: its generation, or its time of change on disk.
        crc32c: Of its bytes; None where it would have to be read for it.
        md5: 32 hex digits; None where it would have to be read for it, and for
            composite objects, which have none.
    """

    size: int
    version: str
    crc32c: int | None = None
    md5: str | None = None


def state(path: str) -> FileState | None:
    """An object's state, None where there is none."""
    with _told(path):
        blob = _bucket(path).get_blob(_name(path), retry=_retry(), timeout=TIMEOUT)
    if blob is None:
        return None
    md5 = base64.b64decode(blob.md5_hash).hex() if blob.md5_hash else None
    crc32c = int.from_bytes(base64.b64decode(blob.crc32c), "big")
    return FileState(int(blob.size), str(blob.generation), crc32c, md5)


def exists(path: str) -> bool:
    """Whether there is an object of that name, or any below it."""
    is_object = bool(_name(path)) and state(path) is not None
    return is_object or any(_list(path, limit=1))


def list_names(folder: str) -> list[str]:
    """The names directly below a prefix, sorted."""
    objects, folders = _list(folder)
    return sorted({name for name, _ in objects} | folders)


def walk(folder: str) -> Iterator[tuple[str, int]]:
    """Yields the name below `folder` and the size of every object below it."""
    prefix = _prefix(folder)
    with _told(folder):
        for blob in client().list_blobs(
            _bucket_name(folder), prefix=prefix, retry=_retry(), timeout=TIMEOUT
        ):
            yield blob.name[len(prefix) :], int(blob.size)


def open_read(path: str) -> BinaryIO:
    """Opens an object for reading, fetched in pieces of 8 MiB."""
    if state(path) is None:
        raise UserError(f"{path}: no such file")
    with _told(path):
        blob = _bucket(path).blob(_name(path))
        return cast(BinaryIO, blob.open("rb", chunk_size=_CHUNK, retry=_retry(), timeout=TIMEOUT))


def read_bytes(path: str) -> bytes:
    """A whole object's bytes, checked against its checksum."""
    with _told(path):
        return _bucket(path).blob(_name(path)).download_as_bytes(retry=_retry(), timeout=TIMEOUT)


def read_range(path: str, offset: int, length: int) -> bytes:
    """Bytes of an object; fewer where it ends before."""
    from google.api_core.exceptions import RequestRangeNotSatisfiable

    if not length:
        return b""
    with _told(path):
        blob = _bucket(path).blob(_name(path))
        try:
            return blob.download_as_bytes(
                start=offset,
                end=offset + length - 1,
                checksum=None,
                retry=_retry(),
                timeout=TIMEOUT,
            )
        except RequestRangeNotSatisfiable:
            return b""


def upload(local: str, path: str, crc32c: int) -> None:
    """Makes a local file an object, whole or not at all.

    The object is replaced only in the state it was found in; where another
    builder was quicker, equal bytes are as good as one's own.

    Args:
        local: The file.
        path: The object's name.
        crc32c: The file's checksum.

    Raises:
        UserError: If another builder wrote other bytes meanwhile, or storage
            refuses or does not answer until the deadline.
    """
    from google.api_core.exceptions import PreconditionFailed

    before = state(path)
    if before and (before.crc32c, before.size) == (crc32c, os.path.getsize(local)):
        return
    with _told(path):
        try:
            _bucket(path).blob(_name(path)).upload_from_filename(
                local,
                checksum="crc32c",
                if_generation_match=int(before.version) if before else 0,
                retry=_retry(),
                timeout=TIMEOUT,
            )
        except PreconditionFailed:
            now = state(path)
            if now is None or now.crc32c != crc32c:
                raise UserError(
                    f"{path}: another builder wrote other bytes there meanwhile; let one finish, "
                    "then run this one again"
                ) from None


def delete(path: str) -> None:
    """Deletes an object, if it is there."""
    from google.api_core.exceptions import NotFound

    with _told(path), contextlib.suppress(NotFound):
        _bucket(path).delete_blob(_name(path), retry=_retry(), timeout=TIMEOUT)


def _list(folder: str, limit: int | None = None) -> tuple[list[tuple[str, int]], set[str]]:
    """Objects (name, size) and prefixes directly below a prefix."""
    prefix = _prefix(folder)
    with _told(folder):
        found = client().list_blobs(
            _bucket_name(folder),
            prefix=prefix,
            delimiter="/",
            max_results=limit,
            retry=_retry(),
            timeout=TIMEOUT,
        )
        objects = [(blob.name[len(prefix) :], int(blob.size)) for blob in found]
    return objects, {name[len(prefix) :].rstrip("/") for name in found.prefixes}


def _prefix(folder: str) -> str:
    name = _name(folder).rstrip("/")
    return f"{name}/" if name else ""


def _bucket_name(path: str) -> str:
    return path.removeprefix(SCHEME).partition("/")[0]


def _name(path: str) -> str:
    return path.removeprefix(SCHEME).partition("/")[2]


def _bucket(path: str) -> Any:
    return client().bucket(_bucket_name(path))


@functools.cache
def client() -> Any:
    """This process's client; its sessions keep enough connections for all reading threads."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            from google.cloud import storage
    except ImportError:
        raise UserError(f"gs:// paths need google-cloud-storage: {how_to_install('gcs')}") from None
    import requests.adapters

    client = storage.Client()
    adapter = requests.adapters.HTTPAdapter(pool_maxsize=_CONNECTIONS)
    client._http.mount("https://", adapter)
    client._http.mount("http://", adapter)
    return client


def _retry() -> Any:
    from google.cloud.storage.retry import DEFAULT_RETRY

    delays = {"initial": FIRST_DELAY, "maximum": 60 * FIRST_DELAY, "multiplier": 2}
    return DEFAULT_RETRY.with_timeout(DEADLINE).with_delay(**delays)


@contextlib.contextmanager
def _told(path: str) -> Iterator[None]:
    """Turns what the library raises into one line for the user."""
    try:
        from google.api_core import exceptions
        from google.auth.exceptions import GoogleAuthError
    except ImportError:
        raise UserError(f"gs:// paths need google-cloud-storage: {how_to_install('gcs')}") from None
    try:
        yield
    except GoogleAuthError as error:
        raise UserError(
            f"{path}: no credentials for Google Cloud ({error}); "
            "run `gcloud auth application-default login`"
        ) from None
    except (exceptions.Forbidden, exceptions.Unauthorized) as error:
        raise UserError(
            f"{path}: storage refused ({error.code} {error.message}); give this account the role "
            "Storage Object User on the bucket"
        ) from None
    except exceptions.RetryError as error:
        raise UserError(
            f"{path}: storage did not answer within {DEADLINE:.0f} s (last: {error.cause}); "
            "run the same command again to go on"
        ) from None
    except exceptions.NotFound:
        raise UserError(f"{path}: no such object or bucket") from None
