"""Which image ids every file format of the project carries unchanged.

Ids stand in CSV fields, in lists with spaces between, in tab-separated files, in arrays
of 16 bytes and in file names. What one of these would split, cut or read as another
thing is refused where ids are made and written, so that every reader gets the same id back.
"""

import re
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from tfrecords_tools.errors import UserError

LENGTH = 16
"""The most characters of an id."""
RULE = (
    f"1 to {LENGTH} characters: ASCII letters, digits and signs, without space, comma, quote or"
    " slash, with no dot at the start"
)
_ALLOWED = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in "\"',/\\")
_TABLE = np.zeros(256, bool)
_TABLE[[0, *_ALLOWED.encode()]] = True
_SAFE = re.compile(f"[{re.escape(_ALLOWED)}]{{1,{LENGTH}}}", re.ASCII)
# Submissions that hold file names in place of ids are refused by this ending.
_FILE_NAME = ".jpg"
# Solutions write it where there is no image.
_NONE = "None"
_BLOCK = 1 << 18
_DOT = ord(".")


def is_safe(image_id: str) -> bool:
    """Whether an id can stand in every file; see `RULE`."""
    return bool(
        _SAFE.fullmatch(image_id)
        and not image_id.startswith(".")
        and _FILE_NAME not in image_id
        and image_id != _NONE
    )


def first_unsafe(ids: npt.NDArray[np.bytes_]) -> bytes | None:
    """The first id that is not safe, None where all are.

    Args:
        ids: (n,) S dtype of any width.
    """
    for start in range(0, len(ids), _BLOCK):
        block = np.ascontiguousarray(ids[start : start + _BLOCK])
        for row in np.flatnonzero(_suspects(block)):
            image_id = bytes(block[row])
            if not is_safe(image_id.decode("latin-1")):
                return image_id
    return None


def refuse_unsafe(where: str, ids: npt.NDArray[np.bytes_], remedy: str) -> None:
    """Raises for the first id that some file would not carry.

    Args:
        where: What has the ids, for the message.
        ids: (n,) S dtype.
        remedy: What to do, for the message.

    Raises:
        UserError: Naming the id.
    """
    image_id = first_unsafe(ids)
    if image_id is not None:
        shown = image_id.decode(errors="backslashreplace")
        raise UserError(f"{where}: expected image ids of {RULE}; found {shown!r}; {remedy}")


def file_name(image_id: str) -> str:
    """A name for a file about an image, different for every id and the same in an address.

    Letters, digits, ``_`` and ``-`` stand for themselves, each other byte as ``~`` and two
    hex digits: no id leads out of a folder.
    """
    return "".join(_file_characters(image_id))


def _file_characters(image_id: str) -> Iterable[str]:
    for code in image_id.encode():
        character = chr(code)
        plain = character.isascii() and (character.isalnum() or character in "_-")
        yield character if plain else f"~{code:02x}"


def _suspects(block: npt.NDArray[np.bytes_]) -> npt.NDArray[np.bool_]:
    """(n,) bool, False for ids that are surely safe."""
    width = block.dtype.itemsize
    if not width:
        return np.ones(len(block), bool)
    codes = block.view(np.uint8).reshape(len(block), width)
    suspect = ~_TABLE[codes].all(axis=1)
    suspect |= codes[:, 0] == 0
    suspect |= (codes == _DOT).any(axis=1)
    suspect |= (codes[:, LENGTH:] != 0).any(axis=1)
    # A zero inside, which only a padded array keeps.
    suspect |= ((codes[:, 1:] != 0) & (codes[:, :-1] == 0)).any(axis=1)
    return suspect | (block == _NONE.encode())
