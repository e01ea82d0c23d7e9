"""A tar's table of contents, from its headers alone.

`tarfile` stops silently at a damaged header. A long build must not lose the rest of a tar that way,
so the headers are walked here, with `tarfile`'s header parser.
"""

import contextlib
import dataclasses
import os
import tarfile
from collections.abc import Callable, Iterator

import numpy as np

from tfrecords_tools import gldv2
from tfrecords_tools.storage import file_systems, files

_BLOCK = 512
_MAX_EXTENDED = 1 << 20
_EXTENDED = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)

_ZEROS_AT_ONCE = 1 << 20

ReadAt = Callable[[int, int], bytes]
"""``read_at(offset, length)``: a file's bytes there, fewer at its end."""
Checksum = Callable[[int, int], int]
"""``checksum(offset, length)``: the CRC-32C of a file's bytes there."""


class DamagedTarError(ValueError):
    """A truncated or altered tar; the message says where and after how many members."""


@dataclasses.dataclass(frozen=True)
class TarIndex:
    """A tar's images and other members.

    Attributes:
        members: The images in the tar's order, of `gldv2.MEMBERS_DTYPE`.
        foreign: Name and reason of each member that is not a GLDv2 image.
        checksums: uint32, the CRC-32C of each image's bytes; 0 if they were not read.
    """

    members: np.ndarray
    foreign: tuple[tuple[str, str], ...]
    checksums: np.ndarray


def index_tar(read_at: ReadAt, size: int, checksum: Checksum | None = None) -> TarIndex:
    """Walks a tar's headers, up to an end mark with nothing after it.

    Nothing is ever extracted: names that lead elsewhere, links and devices are
    listed as foreign and their content is not read.

    Args:
        read_at: Reads the tar; it and `checksum` are only called with increasing offsets.
        size: Its length in bytes.
        checksum: Also reads the images, if their checksums are needed.

    Raises:
        DamagedTarError: If a header is altered, the tar is truncated or continues after its end
            mark, or it has no members, or a sparse one.
    """
    members: list[tuple[int, int, int]] = []
    checksums: list[int] = []
    foreign: list[tuple[str, str]] = []
    for name, header, content in walk(read_at, size):
        if header.isdir():
            continue
        image_id = gldv2.parse_member(name)
        if image_id is None or not header.isreg() or header.size >= 1 << 32:
            foreign.append((name, _why_foreign(header, image_id)))
        else:
            members.append((image_id, content, header.size))
            checksums.append(checksum(content, header.size) if checksum else 0)
    return TarIndex(
        np.array(members, gldv2.MEMBERS_DTYPE), tuple(foreign), np.array(checksums, np.uint32)
    )


def walk(read_at: ReadAt, size: int) -> Iterator[tuple[str, tarfile.TarInfo, int]]:
    """Reads a tar's headers one after the other, up to an end mark with nothing after it.

    Args:
        read_at: Reads the tar, at ever larger offsets.
        size: Its length in bytes.

    Yields:
        Each member's name, its header, and where its content starts.

    Raises:
        DamagedTarError: As `index_tar`.
    """
    position, long_name, count = 0, None, 0
    while header := _header(read_at, position, count):
        content = position + _BLOCK
        position = content + -(-_length(header) // _BLOCK) * _BLOCK
        if header.size < 0 or content + _length(header) > size:
            raise DamagedTarError(f"cut inside member {count + 1} ({header.name})")
        if header.type in _EXTENDED:
            long_name = _extended_name(header, read_at, content) or long_name
            continue
        count += 1
        name, long_name = long_name or header.name, None
        if header.type == tarfile.GNUTYPE_SPARSE:
            raise _sparse(name)
        yield name, header, content
    _check_end(read_at, position, size, count)


@contextlib.contextmanager
def open_local(path: str) -> Iterator[ReadAt]:
    """Opens a tar on a disk for `walk` or `index_tar`: only a few bytes at a time are read."""
    with files.open_read(path) as file:
        handle = file.fileno()
        file_systems.advise(handle, 0, 0, os.POSIX_FADV_RANDOM)
        yield lambda offset, length: os.pread(handle, length, offset)


def _length(header: tarfile.TarInfo) -> int:
    """Bytes that follow a header; links and folders may have a size but have no content."""
    empty = (
        tarfile.LNKTYPE,
        tarfile.SYMTYPE,
        tarfile.DIRTYPE,
        tarfile.FIFOTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
    )
    return 0 if header.type in empty else header.size


def _check_end(read_at: ReadAt, position: int, size: int, count: int) -> None:
    """Checks that a block of zeros is the end: a hole, or the seam of joined tars, looks the same.

    Raises:
        DamagedTarError: If there is no second block of zeros, something follows, or
            nothing came before.
    """
    if not count:
        raise DamagedTarError("holds no member, only zeros")
    if size < position + 2 * _BLOCK:
        raise DamagedTarError(f"cut inside its end mark at byte {position} after {count} members")
    for start in range(position, size, _ZEROS_AT_ONCE):
        data = read_at(start, min(_ZEROS_AT_ONCE, size - start))
        if data.strip(b"\0"):
            raise DamagedTarError(
                f"zeros at byte {position} after {count} members, but more data behind them: "
                "a hole, or several tars joined"
            )


def _sparse(name: str) -> DamagedTarError:
    return DamagedTarError(f"sparse member {name!r}; pack it again without --sparse")


def _header(read_at: ReadAt, position: int, count: int) -> tarfile.TarInfo | None:
    """The header at a position, None at the tar's end mark."""
    where = f"at byte {position} after {count} members"
    try:
        return tarfile.TarInfo.frombuf(read_at(position, _BLOCK), "utf-8", "surrogateescape")
    except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
        return None
    except tarfile.HeaderError as error:
        cut = isinstance(
            error,
            (tarfile.EmptyHeaderError, tarfile.TruncatedHeaderError),  # type: ignore[attr-defined]
        )
        raise DamagedTarError(f"{'cut' if cut else 'damaged header'} {where}") from None


def _extended_name(header: tarfile.TarInfo, read_at: ReadAt, content: int) -> str | None:
    """The name that an extended header gives the next member, None if it has none."""
    if header.size > _MAX_EXTENDED or header.type in (tarfile.GNUTYPE_LONGLINK, tarfile.XGLTYPE):
        return None
    data = read_at(content, header.size)
    if header.type == tarfile.GNUTYPE_LONGNAME:
        return data.rstrip(b"\0").decode("utf-8", "surrogateescape")
    records = dict(_pax_records(data))
    if "size" in records:
        raise DamagedTarError(f"a member of {records['size']} bytes")
    if any(key.startswith("GNU.sparse.") for key in records):
        raise _sparse(records.get("GNU.sparse.name") or records.get("path") or header.name)
    return records.get("path")


def _pax_records(data: bytes) -> Iterator[tuple[str, str]]:
    """Yields the keys and values of a pax header: records of ``length key=value``, line feed.

    Values may hold line feeds of their own, so only the lengths delimit records (POSIX.1-2001,
    pax).
    """
    while data.strip(b"\0"):
        digits, space, _ = data.partition(b" ")
        length = int(digits) if space and digits.isdigit() else 0
        record = data[len(digits) + 1 : length]
        key, equals, value = record.partition(b"=")
        if not (equals and record.endswith(b"\n") and length <= len(data)):
            raise DamagedTarError(f"damaged pax header: {data[:20]!r}")
        yield (
            key.decode("utf-8", "surrogateescape"),
            value[:-1].decode("utf-8", "surrogateescape"),
        )
        data = data[length:]


def _why_foreign(header: tarfile.TarInfo, image_id: int | None) -> str:
    if header.issym() or header.islnk():
        return "link"
    if not header.isreg():
        return "device or other special file"
    return "not a/b/c/<id>.jpg" if image_id is None else "too large"
