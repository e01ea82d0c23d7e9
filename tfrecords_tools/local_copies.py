"""Local copies of gs:// files, for what needs a memory map.

A copy is fetched whole, compared with the object's checksum, and found again
as long as the object stands. They lie in TFRECORDS_TOOLS_CACHE, or else in
``~/.cache/tfrecords_tools``, and may be deleted at any time nothing reads them.
"""

import hashlib
import os

from tfrecords_tools import files
from tfrecords_tools.errors import UserError
from tfrecords_tools.progress import Progress

_BLOCK = 8 << 20
_SHOWN_FROM = 64 << 20
"""Fetching a file of so many bytes is shown."""


def copies_folder() -> str:
    """Where copies are kept."""
    given = os.environ.get("TFRECORDS_TOOLS_CACHE")
    return given or os.path.join(os.path.expanduser("~"), ".cache", "tfrecords_tools")


def local_copy(path: str) -> str:
    """A local path that holds a file: its own, or for gs:// that of a copy.

    Args:
        path: The file.

    Raises:
        UserError: If there is no such file, or what was fetched is not what storage holds.
    """
    if not files.is_remote(path):
        return path
    state = files.state(path)
    if state is None:
        raise UserError(f"{path}: no such file")
    folder = copies_folder()
    stem = hashlib.sha256(path.encode()).hexdigest()[:24]
    name = f"{stem}-{state.version}-{os.path.basename(path)}"
    copy = os.path.join(folder, name)
    if os.path.exists(copy) and os.path.getsize(copy) == state.size:
        return copy
    with files.atomic_path(copy) as temporary:
        _fetch(path, temporary, state.size)
        found = os.path.getsize(temporary), files.crc32c(temporary)
        if found != (state.size, state.crc32c):
            raise UserError(
                f"{path}: expected {state.size} bytes of the checksum that storage names, fetched "
                f"{found[0]} others; run again"
            )
    for older in files.list_names(folder):
        if older.startswith(f"{stem}-") and older != name:
            files.delete(os.path.join(folder, older))
    return copy


def _fetch(path: str, target: str, size: int) -> None:
    if size < _SHOWN_FROM:
        with open(target, "wb") as file:
            file.write(files.read_bytes(path))
        return
    with (
        files.open_read(path) as source,
        open(target, "wb") as file,
        Progress(f"fetching {path}", size >> 20, "MiB") as progress,
    ):
        while block := source.read(_BLOCK):
            file.write(block)
            progress.update(len(block) >> 20)
