"""The content of each tar of a split: checked and indexed once, then stored next to the shards."""

import dataclasses
import hashlib
import io
import json

import numpy as np

from tfrecords_tools import gldv2, tars
from tfrecords_tools.gldv2 import Layout
from tfrecords_tools.storage import array_files, checked_reading, files, remote
from tfrecords_tools.storage.remote import FileState

INDEX_FOLDER = "source_index"
_HEADERS_SHARE = 200


@dataclasses.dataclass(frozen=True)
class TarScan:
    """A tar's images and its state.

    Attributes:
        tar: Its name; empty for the listing of extracted files.
        size: Its length in bytes.
        digest: Its MD5 digest if that was checked, else one of its headers.
        fault: What is wrong with it; empty if nothing is.
        members: Its images, of `gldv2.MEMBERS_DTYPE`; empty if it has a fault.
        foreign: Name and reason of each member that is not an image.
        checksums: uint32, the CRC-32C of each image's bytes; 0 if they were not read.
    """

    tar: str
    size: int
    digest: str
    fault: str
    members: np.ndarray
    foreign: tuple[tuple[str, str], ...]
    checksums: np.ndarray


@dataclasses.dataclass(frozen=True)
class ScanJob:
    """One tar to be scanned.

    Attributes:
        layout: Its path.
        tar: Its name.
        check_md5: Whether its digest is compared with the published one.
        memory: The folder of the cache.
    """

    layout: Layout
    tar: str
    check_md5: bool
    memory: str


def scan_tar(job: ScanJob) -> TarScan:
    """Checks a tar's digest and reads its headers, unless that was done before.

    A tar on gs:// is read completely, so that the received data is compared with its checksum, and
    later the bytes of each image with theirs.

    Raises:
        UserError: If storage fails, or the tar is received altered.
    """
    path = files.join(job.layout.folder, job.tar)
    state = files.state(path)
    if state is None:
        return _faulty(job.tar, 0, "no such file")
    published = gldv2.published_md5(job.layout, job.tar) if job.check_md5 else None
    key = {"size": state.size, "version": state.version, "published": published}
    if files.is_remote(path):
        key["checksums"] = True  # Without them the cache entry is from an earlier release.
    if scan := recall(job.memory, job.tar, key):
        return scan
    if published and (found := state.md5 or files.md5(path)) != published:
        return _faulty(job.tar, state.size, f"MD5 is {found}, published {published}")
    try:
        index = _index(path, state)
    except tars.DamagedTarError as error:
        return _faulty(job.tar, state.size, str(error))
    digest = published or hashlib.sha256(index.members.tobytes()).hexdigest()
    scan = TarScan(job.tar, state.size, digest, "", index.members, index.foreign, index.checksums)
    _remember(job.memory, scan, key)
    return scan


def bytes_to_read(layout: Layout, check_md5: bool) -> int:
    """About how much a scan of all tars reads: everything for MD5 or from gs://, else headers."""
    total = 0
    for tar in layout.tars:
        state = files.state(files.join(layout.folder, tar))
        whole = files.is_remote(layout.folder) or (
            check_md5 and gldv2.published_md5(layout, tar) is not None
        )
        total += state.size // (1 if whole else _HEADERS_SHARE) if state else 0
    return total


def scan_folder(layout: Layout) -> TarScan:
    """Lists extracted files ``a/b/c/<id>.jpg``; links are not followed."""
    members: list[tuple[int, int, int]] = []
    foreign: list[tuple[str, str]] = []
    for name, size in files.walk(layout.folder):
        image_id = gldv2.parse_member(name)
        if image_id is None or size < 0:
            foreign.append((name, "link" if size < 0 else "not a/b/c/<id>.jpg"))
        else:
            members.append((image_id, 0, size))
    found = np.sort(np.array(members, gldv2.MEMBERS_DTYPE), order="id")
    digest = hashlib.sha256(found.tobytes()).hexdigest()
    unread = np.zeros(len(found), np.uint32)
    return TarScan("", int(found["size"].sum()), digest, "", found, tuple(sorted(foreign)), unread)


def recall(memory: str, tar: str, key: dict[str, object] | None = None) -> TarScan | None:
    """The cache entry of an intact tar.

    Args:
        memory: The folder of the cache.
        tar: The tar's name.
        key: Its size, version and published digest now; None uses the entry without checking
            whether the tar has changed.
    """
    path = _memory_path(memory, tar)
    if not files.exists(path):
        return None
    with array_files.damage_as(f"{path}: not what is remembered of a tar; delete it"):
        arrays = array_files.load_archive(path, "what is remembered of a tar")
        about = json.loads(arrays["about"].tobytes())
        if key is not None and about["key"] != key:
            return None
        foreign = tuple((name, reason) for name, reason in about["foreign"])
        members = arrays["members"]
        checksums = arrays.get("checksums", np.zeros(len(members), np.uint32))
        size, digest = about["key"]["size"], about["digest"]
        return TarScan(tar, size, digest, "", members, foreign, checksums)


def _remember(memory: str, scan: TarScan, key: dict[str, object]) -> None:
    about = json.dumps({"key": key, "digest": scan.digest, "foreign": scan.foreign}, sort_keys=True)
    arrays = io.BytesIO()
    np.savez(
        arrays,
        about=np.frombuffer(about.encode(), np.uint8),
        members=scan.members,
        checksums=scan.checksums,
    )
    files.write_bytes(_memory_path(memory, scan.tar), arrays.getvalue())


def _memory_path(memory: str, tar: str) -> str:
    return files.join(memory, tar.replace(".tar", ".npz"))


def _faulty(tar: str, size: int, fault: str) -> TarScan:
    none = np.empty(0, gldv2.MEMBERS_DTYPE)
    return TarScan(tar, size, "", fault, none, (), np.empty(0, np.uint32))


def _index(path: str, state: FileState) -> tars.TarIndex:
    if files.is_remote(path):
        return _remote_index(path, state)
    with tars.open_local(path) as read_at:
        return tars.index_tar(read_at, state.size)


def _remote_index(path: str, state: FileState) -> tars.TarIndex:
    """Reads a tar on gs:// from start to end, again if it was received altered.

    In blocks of 8 MiB: a request for each header would transfer fewer bytes, but take minutes per
    tar (8,000 responses), while its 120 blocks take seconds.
    """
    if state.encoding:
        raise tars.DamagedTarError(f"stored with Content-Encoding {state.encoding}, not as it is")

    def read(offset: int, length: int) -> bytes:
        return remote.read_range(path, offset, length, state.version)

    for _ in range(checked_reading.ATTEMPTS):
        tar = checked_reading.Passage(path, state.size, read)
        fault = None
        try:
            index = tars.index_tar(tar.read_at, state.size, tar.checksum)
        except tars.DamagedTarError as error:
            fault = error
        if tar.finish() != state.crc32c:
            continue
        if fault:
            raise fault
        return index
    raise checked_reading.altered(path)
