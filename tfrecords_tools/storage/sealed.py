"""Text files that know whether they were changed: a checksum in the first line, a comment."""

import re

import google_crc32c

from tfrecords_tools.errors import UserError

_LINE = "# crc32c {:08x} of all below; to edit by hand, delete this line\n"
_SEAL = re.compile(rb"# crc32c ([0-9a-f]{8}) of all below[^\n]*\n")


def seal(text: str) -> bytes:
    """The text, UTF-8, below a comment with its checksum."""
    content = text.encode()
    return _LINE.format(google_crc32c.value(content)).encode() + content


def check(data: bytes, path: str) -> None:
    """Compares a sealed text with its checksum; one without the comment is taken as it is.

    Args:
        data: The file's bytes.
        path: What messages call it.

    Raises:
        UserError: If it is empty, was cut or was changed.
    """
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: damaged: not a text file ({error})") from None
    found = _SEAL.match(data)
    if found is None:
        if any(line.strip() and not line.startswith(b"#") for line in data.splitlines()):
            return
        raise UserError(f"{path}: expected settings, found none; the file was cut")
    if int(found[1], 16) != google_crc32c.value(data[found.end() :]):
        raise UserError(
            f"{path}: damaged: its content does not fit the checksum in its first line; restore "
            "it, or delete that line if you have changed it yourself"
        )
