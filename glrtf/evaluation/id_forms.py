"""The form of a solution's ids, to detect predicted ids that lost it, as in a spreadsheet."""

import os
import string
from collections.abc import Collection, Iterable, Mapping

_HEX = frozenset("0123456789abcdef")
_HEX_LENGTH = 16
_CASES = (string.ascii_lowercase, string.ascii_uppercase)
# With this many ids, equal lengths and a limited set of characters are not a coincidence.
_ENOUGH = 20
# Characters that printed lists and spreadsheets leave in fields of ids.
LIST_SIGNS = ",;\"'[](){}"


class IdForm:
    """The lengths and characters of ids.

    Args:
        sets: Sets of ids; several queries may share one.

    Attributes:
        text: A description of the form.
    """

    def __init__(self, sets: Iterable[Collection[str]]) -> None:
        distinct = {id(one): one for one in sets}.values()
        found: set[str] = set()
        lengths: set[int] = set()
        count = 0
        for one in distinct:
            found.update("".join(one))
            lengths.update(map(len, one))
            count += len(one)
        is_hex = found <= _HEX and lengths == {_HEX_LENGTH}
        known = is_hex or count >= _ENOUGH
        self._length = lengths.pop() if known and len(lengths) == 1 else 0
        allowed = set(_HEX) if is_hex else _widened(found, anything=not known)
        self._signs = bytes(range(128)) if not found else "".join(allowed).encode()
        ascii_only = known and "".join(found).isascii()
        self._beyond_ascii = b"" if ascii_only else bytes(range(128, 256))
        self.text = _in_words(self._length, is_hex, found)

    def unlike(self, ids: list[str]) -> list[str]:
        """The ids that do not have the form."""
        joined = "".join(ids)
        if self._fits(joined, len(ids)):
            return []
        return [one for one in ids if not self._fits(one, 1)]

    def _fits(self, joined: str, count: int) -> bool:
        if self._length and len(joined) != self._length * count:
            return False
        return not joined.encode(errors="replace").translate(None, self._signs + self._beyond_ascii)


def lost_form_hint(image_id: str, known: Collection[str] | Mapping[str, object]) -> str:
    """The remedy if an unknown id is a known id without leading zeros, or with a file extension."""
    stem, ending = os.path.splitext(image_id)
    if ending and stem in known:
        return f"found the file name {image_id!r}; write ids without {ending}"
    if image_id.isdigit() and image_id.zfill(_HEX_LENGTH) in known:
        return (
            f"{image_id.zfill(_HEX_LENGTH)!r} is: its leading zeros were lost, as spreadsheets do;"
            " write ids as text"
        )
    return ""


def _widened(found: set[str], *, anything: bool) -> set[str]:
    """The characters seen, extended to their classes; with few ids, all but those of lists."""
    if anything:
        printable = {chr(code) for code in range(0x21, 0x7F)}
        return (printable - set(LIST_SIGNS)) | found
    allowed = found | set(string.digits)
    for case in _CASES:
        if found & set(case):
            allowed |= set(case)
    return allowed


def _in_words(length: int, is_hex: bool, found: set[str]) -> str:
    if is_hex:
        return f"ids of {length} digits 0-9 and a-f"
    signs = "".join(sorted(found - set(string.ascii_letters + string.digits)))
    text = "ids of letters and digits" + (f" and {signs}" if signs else "")
    return f"{text}, {length} characters each" if length else text
