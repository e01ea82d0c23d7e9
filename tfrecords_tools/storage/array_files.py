"""NumPy's files, .npy and .npz: any fault in one is reported in one line."""

import contextlib
import io
import os
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import file_systems, files

# The exceptions of NumPy and zipfile when headers, directories or data are damaged. A flipped bit
# that selects an unknown compression, or encryption, raises a kind of RuntimeError. AttributeError,
# TypeError and MemoryError are left out: they would hide mistakes in the code.
_DAMAGE = (
    *(ValueError, KeyError, EOFError, OSError, SyntaxError, OverflowError),
    *(RuntimeError, IndexError),
    *(zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError),
)


@contextlib.contextmanager
def damage_as(message: str) -> Iterator[None]:
    """Turns the exceptions of a damaged array file into a `UserError` with `message` first."""
    try:
        yield
    except UserError:
        raise
    except _DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{message} ({reason[:200]})") from None


def load_archive(path: str, what: str) -> dict[str, np.ndarray]:
    """All arrays of an .npz file, local or gs://, each compared with its checksum.

    Args:
        path: The file.
        what: What it should contain, for the message: ``"weights"``.

    Raises:
        UserError: If it is missing, damaged, pickled, or not an .npz file.
    """
    with damage_as(f"{path}: expected an .npz file of {what}"), files.open_read(path) as file:
        source = file if file.seekable() else io.BytesIO(file.read())
        # Before NumPy reads the headers: with damaged ones it may request any amount of memory.
        with zipfile.ZipFile(source) as members:
            if damaged := members.testzip():
                raise ValueError(f"{damaged} does not match its checksum")
        source.seek(0)
        with np.load(source, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}


def save(path: str, array: np.ndarray, *, new: bool = False) -> str:
    """Writes an .npy file, completely or not at all.

    Args:
        path: The file.
        array: Of plain numbers.
        new: Whether it is known that nothing has that name yet.

    Returns:
        The SHA-256 digest of the file as it was written, 64 hex digits.

    Raises:
        OSError: With its number, such as ENOSPC, which `numpy.save` drops.
    """
    with files.atomic_path(path, new=new) as temporary:
        with open(temporary, "wb") as file:
            np.lib.format.write_array(_PlainWriter(file), array, allow_pickle=False)
        return files.sha256(temporary)


def create(path: str, dtype: np.dtype, shape: tuple[int, ...]) -> np.memmap:
    """A new .npy file as a memory map to write to, with all its blocks allocated.

    On a disk that fills up, writing to a map of a sparse file would kill the process.

    Raises:
        OSError: If the disk has no room for it.
    """
    array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    handle = os.open(path, os.O_RDWR)
    try:
        file_systems.reserve(handle)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
    finally:
        os.close(handle)
    return array


class _PlainWriter:
    """A file that NumPy does not recognise as one, so that Python writes to it."""

    def __init__(self, file: BinaryIO) -> None:
        self.write = file.write
