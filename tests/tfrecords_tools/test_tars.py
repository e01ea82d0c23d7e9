import io
import tarfile

import google_crc32c
import numpy as np
import pytest
from tiny_gldv2 import image_id, jpeg, member

from tfrecords_tools import tars

_NAMES = [image_id(number) for number in range(4)]


def _tar(entries, kind=tarfile.USTAR_FORMAT) -> bytes:
    """A tar of (TarInfo or name, data)."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=kind) as tar:
        for info, data in entries:
            if isinstance(info, str):
                info = tarfile.TarInfo(info)
                info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return whole.getvalue()


def _index(data: bytes) -> tars.TarIndex:
    return tars.index_tar(lambda offset, length: data[offset : offset + length], len(data))


def _sound() -> bytes:
    return _tar([(member(name), jpeg(number)) for number, name in enumerate(_NAMES)])


def _special(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_are_where_the_index_says(kind):
    data = _tar([(member(name), jpeg(number)) for number, name in enumerate(_NAMES)], kind)
    found = _index(data)
    assert [f"{number:016x}" for number in found.members["id"]] == _NAMES
    for number, (_, offset, size) in enumerate(found.members.tolist()):
        assert data[offset : offset + size] == jpeg(number)


def test_folders_are_no_members_and_a_leading_dot_does_not_matter():
    folder = tarfile.TarInfo("a")
    folder.type = tarfile.DIRTYPE
    found = _index(_tar([(folder, b""), (f"./{member(_NAMES[0])}", b"x")]))
    assert len(found.members) == 1 and found.foreign == ()


@pytest.mark.parametrize("kind", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_belong_to_the_next_member(kind):
    long = "x" * 200 + ".jpg"
    data = _tar([(long, b"1"), (member(_NAMES[0]), b"2")], kind)
    found = _index(data)
    assert found.foreign == ((long, "not a/b/c/<id>.jpg"),)
    assert data[int(found.members["offset"][0])] == ord("2")


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/passwd",
        f"../{member(_NAMES[0])}",
        f"/{member(_NAMES[0])}",
        f"0/0/0/{_NAMES[0]}.jpg",  # not the folder of its first three digits
        member(_NAMES[0]).upper(),
        member(_NAMES[0]).replace(".jpg", ".png"),
        f"{member(_NAMES[0])}\n",
        "\udcff\udcfe.jpg",
    ],
)
def test_other_names_are_foreign(name):
    found = _index(_tar([(name, b"x"), (member(_NAMES[1]), b"y")], tarfile.GNU_FORMAT))
    assert len(found.members) == 1
    assert found.foreign == ((name, "not a/b/c/<id>.jpg"),)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (tarfile.SYMTYPE, "link"),
        (tarfile.LNKTYPE, "link"),
        (tarfile.CHRTYPE, "device or other special file"),
        (tarfile.BLKTYPE, "device or other special file"),
        (tarfile.FIFOTYPE, "device or other special file"),
    ],
)
def test_links_and_devices_are_foreign_even_under_an_image_name(kind, reason):
    entry = _special(member(_NAMES[0]), kind, "/etc/passwd")
    found = _index(_tar([entry, (member(_NAMES[1]), b"y")]))
    assert len(found.members) == 1
    assert found.foreign == ((member(_NAMES[0]), reason),)


def _offsets() -> list[int]:
    return [int(offset) for offset in _index(_sound()).members["offset"]]


@pytest.mark.parametrize("back", [512, 511, 300, 1])
def test_a_cut_in_or_before_a_header_is_found(back):
    data = _sound()[: _offsets()[2] - back]
    with pytest.raises(tars.DamagedTarError, match=r"cut at byte .* after 2 members"):
        _index(data)


def test_a_cut_inside_a_member_is_found():
    data = _sound()[: _offsets()[2] + 10]
    with pytest.raises(tars.DamagedTarError, match=f"cut inside member 3 .*{_NAMES[2]}"):
        _index(data)


def test_an_empty_file_is_a_damaged_tar():
    with pytest.raises(tars.DamagedTarError, match="cut at byte 0 after 0 members"):
        _index(b"")


@pytest.mark.parametrize("position", range(0, 500, 13))
def test_a_flipped_bit_in_a_header_is_found(position):
    data = bytearray(_sound())
    data[_offsets()[1] - 512 + position] ^= 0x04
    with pytest.raises(tars.DamagedTarError, match=r"damaged header at byte .* after 1 members"):
        _index(bytes(data))


def test_a_hole_is_not_the_end():
    data = bytearray(_sound())
    hole = _offsets()[2] - 512
    data[hole : hole + 1024] = bytes(1024)
    with pytest.raises(tars.DamagedTarError, match=f"zeros at byte {hole} after 2 members, but"):
        _index(bytes(data))


def test_joined_tars_are_not_half_a_tar():
    with pytest.raises(tars.DamagedTarError, match="after 4 members, but more data behind them"):
        _index(_sound() + _sound())


@pytest.mark.parametrize("length", [1024, 10240])
def test_a_tar_of_zeros_is_damaged(length):
    with pytest.raises(tars.DamagedTarError, match="holds no member"):
        _index(bytes(length))


def test_the_end_is_two_blocks_of_zeros():
    whole = _sound()
    end = _offsets()[3] + -(-len(jpeg(3)) // 512) * 512
    assert len(_index(whole[: end + 1024]).members) == 4
    for length in (end + 512, end + 1023):
        with pytest.raises(tars.DamagedTarError, match="cut inside its end mark"):
            _index(whole[:length])


def test_any_number_of_zeros_may_follow_the_end():
    assert len(_index(_sound() + bytes(3 << 20)).members) == 4
    with pytest.raises(tars.DamagedTarError, match="more data behind"):
        _index(_sound() + bytes(3 << 20) + b"\1")


def test_a_sparse_member_is_refused_by_name():
    info = tarfile.TarInfo(member(_NAMES[0]))
    info.type = tarfile.GNUTYPE_SPARSE
    with pytest.raises(tars.DamagedTarError, match=f"sparse member '.*{_NAMES[0]}.jpg'"):
        _index(_tar([(member(_NAMES[1]), b"y"), (info, b"")], tarfile.GNU_FORMAT))


def test_a_sparse_member_of_the_pax_formats_is_refused_by_name():
    info = tarfile.TarInfo(f"./GNUSparseFile.1/{_NAMES[0]}.jpg")
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.name": member(_NAMES[0])}
    with pytest.raises(tars.DamagedTarError, match=f"sparse member '{member(_NAMES[0])}'"):
        _index(_tar([(info, b"")], tarfile.PAX_FORMAT))


def test_values_of_a_pax_header_may_hold_line_feeds():
    info = tarfile.TarInfo(member(_NAMES[0]))
    info.size = 1
    info.pax_headers = {"comment": f"x\n30 path={member(_NAMES[3])}\n"}
    found = _index(_tar([(info, b"1")], tarfile.PAX_FORMAT))
    assert [f"{number:016x}" for number in found.members["id"]] == [_NAMES[0]]


@pytest.mark.parametrize("kind", [tarfile.DIRTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE])
def test_what_holds_no_bytes_may_name_a_size(kind):
    """Old archivers name the size of the folder or of the link's target: POSIX, pax, ustar."""
    info = tarfile.TarInfo("a/b")
    info.type, info.size = kind, 4096
    data = info.tobuf(tarfile.USTAR_FORMAT) + _tar([(member(_NAMES[1]), b"y")])
    assert len(_index(data).members) == 1


def test_checksums_are_those_of_the_images():
    data = _sound()
    found = tars.index_tar(
        lambda offset, length: data[offset : offset + length],
        len(data),
        lambda offset, length: google_crc32c.value(data[offset : offset + length]),
    )
    assert found.checksums.tolist() == [google_crc32c.value(jpeg(n)) for n in range(4)]


def test_a_header_of_another_size_cannot_reach_beyond_the_tar():
    info = tarfile.TarInfo(member(_NAMES[0]))
    info.size = 1 << 40
    data = info.tobuf(tarfile.GNU_FORMAT) + bytes(1024)
    with pytest.raises(tars.DamagedTarError, match="cut inside member 1"):
        _index(data)


def test_random_bytes_end_in_an_index_or_in_damage():
    rng = np.random.default_rng(0)
    sound = _sound()
    for _ in range(300):
        data = bytearray(sound)
        for place in rng.integers(0, len(data), 3):
            data[place] = rng.integers(256)
        try:
            found = _index(bytes(data))
        except tars.DamagedTarError:
            continue
        assert len(found.members) + len(found.foreign) <= 4
