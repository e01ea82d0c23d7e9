"""Files on disk and gs:// behind one small set of functions; whole-file writes only.

A file appears under its final name complete or not at all: it is written
to the same folder under a temporary name, flushed to the disk and renamed; for
``gs://`` it is written to a local temporary file and uploaded.
"""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import google_crc32c

from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import disk_faults, file_systems, remote, temporary_files
from tfrecords_tools.storage.remote import FileState

_BLOCK = 1 << 20

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")

# The key under which a JSON object holds the CRC-32C of the rest of it.
SEAL = "json_crc32c"


def is_remote(path: str) -> bool:
    """Whether a path is on Google Cloud Storage.

    Raises:
        UserError: If it is a URL of another kind, which would otherwise name a folder here.
    """
    if path.startswith(remote.SCHEME):
        return True
    if _URL.match(path):
        raise UserError(
            f"{path}: expected a path on this machine or {remote.SCHEME}BUCKET/NAME, found another"
            " URL; copy or mount it, and give its path"
        )
    return False


def join(folder: str, *parts: str) -> str:
    """Joins a folder and names below it."""
    return os.path.join(folder, *parts)


def exists(path: str) -> bool:
    """Whether a file or folder of that name exists."""
    if is_remote(path):
        return remote.exists(path)
    return os.path.exists(path)


def list_names(folder: str) -> list[str]:
    """The names of a folder's entries, sorted; temporary files left out.

    Raises:
        UserError: If the folder does not exist.
    """
    if is_remote(folder):
        if (names := remote.list_names(folder)) is None:
            raise UserError(f"{folder}: no such folder")
        return names
    if not os.path.isdir(folder):
        what = "expected a folder, found a file" if os.path.exists(folder) else "no such folder"
        raise UserError(f"{folder}: {what}")
    return sorted(name for name in os.listdir(folder) if not disk_faults.TEMPORARY.match(name))


def walk(folder: str) -> Iterator[tuple[str, int]]:
    """Yields the name below `folder` and the size of every file below it; -1 for a link.

    Links are not followed.
    """
    if is_remote(folder):
        yield from remote.walk(folder)
        return
    for below, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(below, name)
            size = -1 if os.path.islink(path) else os.path.getsize(path)
            yield os.path.relpath(path, folder), size


def state(path: str) -> FileState | None:
    """What is known about a file without reading it; None if it does not exist."""
    if is_remote(path):
        return remote.state(path)
    try:
        status = Path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return FileState(status.st_size, str(status.st_mtime_ns))


def states(folder: str) -> dict[str, FileState]:
    """The states of all files directly in a folder, by name; on gs:// from one listing.

    Temporary files are left out, and files that disappear while the folder is listed.

    Raises:
        UserError: If the folder does not exist.
    """
    if is_remote(folder):
        if not (found := remote.states(folder)) and not exists(folder):
            raise UserError(f"{folder}: no such folder")
        return found
    each = ((name, join(folder, name)) for name in list_names(folder))
    known = ((name, state(path)) for name, path in each if os.path.isfile(path))
    return {name: found for name, found in known if found is not None}


def make_folder(folder: str) -> None:
    """Creates a folder and those above it, if missing; gs:// has no folders."""
    if is_remote(folder):
        return
    Path(folder).mkdir(parents=True, exist_ok=True)


def open_read(path: str) -> BinaryIO:
    """Opens a file for reading bytes.

    Raises:
        UserError: If there is no such file.
    """
    if is_remote(path):
        return remote.open_read(path)
    try:
        return open(path, "rb")
    except IsADirectoryError:
        raise UserError(f"{path}: expected a file, found a folder") from None
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{path}: no such file") from None


def read_bytes(path: str) -> bytes:
    """A whole file's bytes."""
    if is_remote(path):
        return remote.read_bytes(path)
    with open_read(path) as file:
        return file.read()


def read_json(path: str) -> Any:
    """A JSON file's value; the seal of `write_json` is verified.

    An object without a seal is accepted: it may have been written by hand.

    Raises:
        UserError: If the file is missing, is not JSON, or was changed since it was written.
    """
    try:
        value = json.loads(read_bytes(path))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not a JSON file ({error})") from None
    if isinstance(value, dict) and not _is_whole(value):
        raise UserError(f"{path}: damaged: its content does not match its checksum; make it again")
    return value


def _is_whole(value: dict[str, Any]) -> bool:
    """Whether an object matches its seal, which is removed from it, or has none."""
    return SEAL not in value or value.pop(SEAL) == _seal(value)


def sha256(path: str) -> str:
    """A file's SHA-256 digest, 64 hex digits."""
    return _digest(path, "sha256")


def json_digest(value: Any) -> str:
    """SHA-256 of a JSON value with its keys sorted, 64 hex digits."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def md5(path: str) -> str:
    """A file's MD5 digest, 32 hex digits; guards against damage, not against malice."""
    return _digest(path, "md5")


def _digest(path: str, algorithm: str) -> str:
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with open_read(path) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def crc32c(path: str) -> int:
    """A file's CRC-32C."""
    checksum = 0
    with open_read(path) as file:
        while block := file.read(_BLOCK):
            checksum = google_crc32c.extend(checksum, block)
    return checksum


def delete(path: str) -> None:
    """Deletes a file, if it exists."""
    if is_remote(path):
        remote.delete(path)
        return
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def remove_empty(folder: str) -> None:
    """Deletes a folder that holds nothing; gs:// has no folders."""
    if not is_remote(folder):
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(folder)


@contextlib.contextmanager
def atomic_path(path: str, *, new: bool = False) -> Iterator[str]:
    """Provides a temporary local name; on success its file becomes `path`.

    After an exception nothing is left behind, and the previous content of `path` is unchanged.

    Args:
        path: The final name. Its folder is created if missing; ``gs://`` is uploaded to.
        new: Whether it is known that nothing has that name yet; see `remote.upload`.

    Yields:
        The temporary file's path, to be written and closed inside the block.
    """
    folder, name = os.path.split(path if is_remote(path) else os.path.abspath(path))
    folder = temporary_files.upload_folder() if is_remote(path) else folder
    make_folder(folder)
    # A full disk is this machine's, even if the file is uploaded to gs://.
    blamed = folder if is_remote(path) else path
    with disk_faults.naming(blamed):
        lock, temporary = temporary_files.create_locked(folder, name)
    try:
        with disk_faults.naming(blamed):
            yield temporary
        if is_remote(path):
            remote.upload(temporary, path, crc32c(temporary), new=new)
        else:
            with open(temporary, "rb") as written:
                file_systems.sync(written.fileno(), path)
            temporary_files.move_in_place(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        os.close(lock)


def write_bytes(path: str, data: bytes, *, new: bool = False) -> None:
    """Writes a complete file, or nothing; see `atomic_path`."""
    with atomic_path(path, new=new) as temporary, open(temporary, "wb") as file:
        file.write(data)


def write_json(path: str, value: Any, *, new: bool = False) -> None:
    """Writes a value as indented JSON with sorted keys, so equal values give equal bytes.

    An object is sealed: `SEAL` is added to it, a checksum over everything else, so that `read_json`
    detects a flipped bit.
    """
    if isinstance(value, dict):
        # As it will be read: tuples become lists, numbers that were keys become text.
        value = json.loads(_json_text(value))
    try:
        if isinstance(value, dict):
            value[SEAL] = _seal(value)
        data = _json_text(value).encode() + b"\n"
    except UnicodeEncodeError as error:
        raise not_utf8(path, error) from None
    write_bytes(path, data, new=new)


def not_utf8(path: str, error: UnicodeEncodeError) -> UserError:
    """The error for a name that is not valid UTF-8 and would be written to a file."""
    near = error.object[max(0, error.start - 20) : error.end + 20]
    return UserError(
        f"{path}: expected names in UTF-8 to write there, found {near!a}; rename that "
        "file or folder"
    )


def _json_text(value: Any) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)


def _seal(value: Any) -> str:
    return f"{google_crc32c.value(_json_text(value).encode()):08x}"
