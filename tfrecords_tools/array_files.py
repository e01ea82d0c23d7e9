"""NumPy's files, .npy and .npz: whatever is wrong with one is told in one line."""

import contextlib
import io
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator

import numpy as np

from tfrecords_tools import files
from tfrecords_tools.errors import UserError

# What NumPy and zipfile let out when headers, directories or data are damaged.
_DAMAGE = (
    *(ValueError, KeyError, EOFError, OSError, SyntaxError, OverflowError, MemoryError),
    *(NotImplementedError, RuntimeError, AttributeError, TypeError, IndexError),
    *(zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError),
)


@contextlib.contextmanager
def told(message: str) -> Iterator[None]:
    """Turns what a damaged array file raises into a `UserError` that begins with `message`."""
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
        what: What it should hold, for the message: ``"weights"``.

    Raises:
        UserError: If it is missing, damaged, pickled, or no .npz file.
    """
    with told(f"{path}: expected an .npz file of {what}"), files.open_read(path) as file:
        source = file if file.seekable() else io.BytesIO(file.read())
        with np.load(source, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("found one array")
            return {name: archive[name] for name in archive.files}
