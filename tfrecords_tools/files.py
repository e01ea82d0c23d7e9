"""Files on disk behind one small set of functions; whole-file writes only.

A file appears under its final name complete or not at all: it is written
beside its place under a temporary name, flushed to the disk and renamed.
"""

import contextlib
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from tfrecords_tools.errors import UserError

_TEMPORARY = re.compile(r"^\..+\.[a-z0-9_]{8}\.partial$")


def join(folder: str, *parts: str) -> str:
    """Joins a folder and names below it."""
    return os.path.join(folder, *parts)


def exists(path: str) -> bool:
    """Whether a file or folder of that name is there."""
    return os.path.exists(path)


def list_names(folder: str) -> list[str]:
    """The names of a folder's entries, sorted; temporary files left out.

    Raises:
        UserError: If the folder does not exist.
    """
    if not os.path.isdir(folder):
        raise UserError(f"{folder}: no such folder")
    return sorted(name for name in os.listdir(folder) if not _TEMPORARY.match(name))


def make_folder(folder: str) -> None:
    """Creates a folder and those above it, where missing."""
    Path(folder).mkdir(parents=True, exist_ok=True)


def delete(path: str) -> None:
    """Deletes a file; one that is not there is no error."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def open_read(path: str) -> BinaryIO:
    """Opens a file for reading bytes.

    Raises:
        UserError: If there is no such file.
    """
    try:
        return open(path, "rb")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise UserError(f"{path}: no such file") from None


def read_bytes(path: str) -> bytes:
    """A whole file's bytes."""
    with open_read(path) as file:
        return file.read()


def read_json(path: str) -> Any:
    """A JSON file's value.

    Raises:
        UserError: If the file is missing or is not JSON.
    """
    try:
        return json.loads(read_bytes(path))
    except ValueError as error:
        raise UserError(f"{path}: not a JSON file ({error})") from None


def sha256(path: str) -> str:
    """A file's SHA-256 digest, 64 hex digits."""
    return _digest(path, "sha256")


def md5(path: str) -> str:
    """A file's MD5 digest, 32 hex digits; guards against damage, not against malice."""
    return _digest(path, "md5")


def _digest(path: str, algorithm: str) -> str:
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with open_read(path) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@contextlib.contextmanager
def atomic_path(path: str) -> Iterator[str]:
    """Lends a temporary local name; on success its file becomes `path`.

    Whatever leaves the block by an exception leaves nothing behind, and what
    stood under `path` before still stands.

    Args:
        path: The final name. Its folder is created where missing.

    Yields:
        The temporary file's path, to be written and closed inside the block.
    """
    folder, name = os.path.split(os.path.abspath(path))
    make_folder(folder)
    handle, temporary = tempfile.mkstemp(prefix=f".{name}.", suffix=".partial", dir=folder)
    os.close(handle)
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        # mkstemp makes private files; give it the rights any new file gets.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
        _sync_folder(folder)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def _sync_folder(folder: str) -> None:
    """Makes a rename survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_bytes(path: str, data: bytes) -> None:
    """Writes a whole file, or nothing."""
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        file.write(data)


def write_json(path: str, value: Any) -> None:
    """Writes a value as indented JSON with sorted keys, so equal values give equal bytes."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
    write_bytes(path, text.encode() + b"\n")
