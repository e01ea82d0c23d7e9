"""A tar's table of contents, from its headers alone.

`tarfile` ends silently at a damaged header; two days of building must not lose
the rest of a tar that way, so the walk is done here, on `tarfile`'s header parser.
"""

import dataclasses
import tarfile
from collections.abc import Callable

import numpy as np

from tfrecords_tools import gldv2

_BLOCK = 512
_MAX_EXTENDED = 1 << 20
_EXTENDED = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)

ReadAt = Callable[[int, int], bytes]
"""``read_at(offset, length)``: a file's bytes there, fewer at its end."""


class DamagedTarError(ValueError):
    """A tar that is cut or altered; says where and after how many members."""


@dataclasses.dataclass(frozen=True)
class TarIndex:
    """A tar's images and what else it holds.

    Attributes:
        members: The images in the tar's order, of `gldv2.MEMBERS_DTYPE`.
        foreign: Name and reason of each member that is no GLDv2 image.
    """

    members: np.ndarray
    foreign: tuple[tuple[str, str], ...]


def index_tar(read_at: ReadAt, size: int) -> TarIndex:
    """Walks a tar's headers.

    Nothing is ever extracted: names that lead elsewhere, links and devices are
    listed as foreign and their content is not read.

    Args:
        read_at: Reads the tar.
        size: Its length in bytes.

    Raises:
        DamagedTarError: If a header is altered or the tar ends too soon.
    """
    members: list[tuple[int, int, int]] = []
    foreign: list[tuple[str, str]] = []
    position, long_name, count = 0, None, 0
    while header := _header(read_at, position, count):
        content = position + _BLOCK
        position = content + -(-header.size // _BLOCK) * _BLOCK
        if header.size < 0 or content + header.size > size:
            raise DamagedTarError(f"cut inside member {count + 1} ({header.name})")
        if header.type in _EXTENDED:
            long_name = _extended_name(header, read_at, content) or long_name
            continue
        count += 1
        name, long_name = long_name or header.name, None
        if header.isdir():
            continue
        image_id = gldv2.parse_member(name)
        if image_id is None or not header.isreg() or header.size >= 1 << 32:
            foreign.append((name, _why_foreign(header, image_id)))
        else:
            members.append((image_id, content, header.size))
    return TarIndex(np.array(members, dtype=gldv2.MEMBERS_DTYPE), tuple(foreign))


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
    """The name an extended header gives the next member, None where it gives none."""
    if header.size > _MAX_EXTENDED or header.type in (tarfile.GNUTYPE_LONGLINK, tarfile.XGLTYPE):
        return None
    data = read_at(content, header.size)
    if header.type == tarfile.GNUTYPE_LONGNAME:
        return data.rstrip(b"\0").decode("utf-8", "surrogateescape")
    for line in data.split(b"\n"):
        key, equals, value = line.partition(b" ")[2].partition(b"=")
        if equals and key == b"path":
            return value.decode("utf-8", "surrogateescape")
        if equals and key == b"size":
            raise DamagedTarError(f"a member of {value.decode(errors='replace')} bytes")
    return None


def _why_foreign(header: tarfile.TarInfo, image_id: int | None) -> str:
    if header.issym() or header.islnk():
        return "link"
    if not header.isreg():
        return "device or other special file"
    return "not a/b/c/<id>.jpg" if image_id is None else "too large"
