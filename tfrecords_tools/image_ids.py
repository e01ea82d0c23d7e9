"""Image ids: which texts are valid, and how lists and file names encode them losslessly.

Ids are UTF-8 text. In CSV fields with a list of ids separated by spaces, an id that contains a
space, a comma or a quote is enclosed in double quotes. Texts that CSV readers, terminals or arrays
would truncate or strip are refused when ids are made and written, so that every reader gets the
same id back.
"""

import re
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from tfrecords_tools.errors import UserError

LENGTH = 255
"""The most bytes of an id in UTF-8."""
RULE = f"1 to {LENGTH} bytes of UTF-8 text without control characters and spaces at its ends"
# C0, DEL, C1, the line separators of Unicode, and halves of surrogate pairs, which are no text.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_TABLE = np.zeros(256, bool)
_TABLE[[0, *range(0x20, 0x7F)]] = True
# Characters that require quotes in a list; any Unicode space ends a word for `str.split`.
_QUOTED = re.compile(r"[\s\"',]")
_TOKEN = re.compile(r'"((?:[^"]|"")*)"(?=\s|$)|(\S+)')
# Solutions contain this if there is no image.
_NONE = "None"
_BLOCK = 1 << 18
_SPACE = ord(" ")


def is_safe(image_id: str) -> bool:
    """Whether a text can be an id; see `RULE`."""
    return (
        image_id == image_id.strip()
        and not _CONTROL.search(image_id)
        and 0 < len(image_id.encode()) <= LENGTH
    )


def is_text(image_id: str) -> bool:
    """Whether a text can be encoded in UTF-8: no lone surrogates."""
    try:
        image_id.encode()
    except UnicodeEncodeError:
        return False
    return True


def first_unsafe(ids: npt.NDArray[np.bytes_]) -> bytes | None:
    """The first id that is not safe, None if all are.

    Args:
        ids: (n,) S dtype of any width, or bytes objects.
    """
    if ids.dtype == object:
        return next((one for one in ids.tolist() if not _is_safe_bytes(one)), None)
    for start in range(0, len(ids), _BLOCK):
        block = np.ascontiguousarray(ids[start : start + _BLOCK])
        for row in np.flatnonzero(_suspects(block)):
            image_id = bytes(block[row])
            if not _is_safe_bytes(image_id):
                return image_id
    return None


def refuse_unsafe(where: str, ids: npt.NDArray[np.bytes_], remedy: str) -> None:
    """Raises for the first id that some file format cannot represent.

    Args:
        where: What has the ids, for the message.
        ids: (n,) S dtype, or bytes objects.
        remedy: What to do, for the message.

    Raises:
        UserError: Naming the id.
    """
    image_id = first_unsafe(ids)
    if image_id is not None:
        shown = image_id.decode(errors="backslashreplace")
        if len(shown) > LENGTH:
            shown = f"{shown[:40]}… ({len(image_id)} bytes)"
        raise UserError(f"{where}: expected image ids of {RULE}; found {shown!r}; {remedy}")


def join_list(ids: Iterable[str]) -> str:
    """A list of ids as one text: spaces between, ids with a space, comma or quote in quotes."""
    return " ".join(map(quoted, ids))


def quoted(image_id: str) -> str:
    """An id as written in a list."""
    if image_id != _NONE and not _QUOTED.search(image_id):
        return image_id
    return '"' + image_id.replace('"', '""') + '"'


def split_list(text: str) -> list[str]:
    """The ids of a text that `join_list` made, or that has ids with spaces between."""
    if '"' not in text:
        return text.split()
    return [bare or _unquoted(inside) for inside, bare in _TOKEN.findall(text)]


def bare_words(text: str) -> list[str]:
    """The words of a list that are not in quotes."""
    if '"' not in text:
        return text.split()
    return [bare for _, bare in _TOKEN.findall(text) if bare]


def needs_quotes(ids: npt.NDArray[np.bytes_]) -> bool:
    """Whether any of (n,) ids needs quotes in a list."""
    for start in range(0, len(ids), _BLOCK):
        joined = b"\n".join(ids[start : start + _BLOCK].tolist()).decode(errors="replace")
        words = joined.split("\n")
        if any(sign in joined for sign in " \"',") or _NONE in words:
            return True
        if not joined.isascii() and any(_QUOTED.search(word) for word in words):
            return True
    return False


def file_name(image_id: str) -> str:
    """A name for a file about an image, different for every id and the same in an address.

    Letters, digits, ``_`` and ``-`` stand for themselves, each other byte as ``~`` and two
    hex digits: no id can lead out of a folder.
    """
    return "".join(_file_characters(image_id))


def can_be_stem(image_id: str) -> bool:
    """Whether an id can be a file's name without its ending: no path, and not hidden."""
    return is_safe(image_id) and not image_id.startswith(".") and not set("/\\") & set(image_id)


def _unquoted(inside: str) -> str:
    return inside.replace('""', '"')


def _is_safe_bytes(image_id: bytes) -> bool:
    try:
        return is_safe(image_id.decode())
    except UnicodeDecodeError:
        return False


def _file_characters(image_id: str) -> Iterator[str]:
    for code in image_id.encode():
        character = chr(code)
        plain = character.isascii() and (character.isalnum() or character in "_-")
        yield character if plain else f"~{code:02x}"


def _suspects(block: npt.NDArray[np.bytes_]) -> npt.NDArray[np.bool_]:
    """(n,) bool, False for ids that are certainly safe."""
    width = block.dtype.itemsize
    if not width:
        return np.ones(len(block), bool)
    codes = block.view(np.uint8).reshape(len(block), width)
    suspect = ~_TABLE[codes].all(axis=1)
    suspect |= (codes[:, 0] == 0) | (codes[:, 0] == _SPACE)
    suspect |= (codes[:, LENGTH:] != 0).any(axis=1)
    # A space at the end, and a zero inside, which only a padded array keeps.
    suspect |= codes[:, -1] == _SPACE
    suspect |= ((codes[:, 1:] == 0) & (codes[:, :-1] == _SPACE)).any(axis=1)
    return suspect | ((codes[:, 1:] != 0) & (codes[:, :-1] == 0)).any(axis=1)
