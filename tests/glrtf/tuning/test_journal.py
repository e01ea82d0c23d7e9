import pytest

pytest.importorskip("optuna", reason="pip install '.[tune]'")

from damage import assert_refused
from small_disk import leave_free, lend, make_room

from glrtf.tuning.journal import SealedJournal
from tfrecords_tools.errors import UserError

LOGS = [{"op": number, "text": "ü" * number} for number in range(20)]


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "journal.log")


def test_processes_see_what_others_append(path):
    one, other = SealedJournal(path), SealedJournal(path)
    assert list(other.read_logs(0)) == []
    one.append_logs(LOGS[:3])
    assert list(other.read_logs(0)) == LOGS[:3]
    other.append_logs(LOGS[3:5])
    assert list(one.read_logs(2)) == LOGS[2:5]
    assert list(one.read_logs(5)) == []
    assert list(SealedJournal(path).read_logs(4)) == LOGS[4:5]


@pytest.mark.parametrize("left", [1, 5, 20])
def test_a_half_written_line_is_cut_off_by_the_next(path, left):
    SealedJournal(path).append_logs(LOGS[:4])
    with open(path, "rb") as file:
        whole = file.read()
    for reader in (None, SealedJournal(path)):
        with open(path, "wb") as file:
            file.write(whole + whole[:left])
        journal = reader or SealedJournal(path)
        assert list(journal.read_logs(0)) == LOGS[:4]
        journal.append_logs(LOGS[4:6])
        assert list(SealedJournal(path).read_logs(0)) == LOGS[:6]


def test_after_a_full_disk_it_goes_on(tmp_path):
    for disk in lend(tmp_path / "disk"):
        journal = SealedJournal(str(disk / "journal.log"))
        journal.append_logs(LOGS[:2])
        leave_free(disk, 0)
        with pytest.raises(OSError, match=r"No space left on device: .*journal\.log"):
            journal.append_logs([{"much": "x" * 10_000}])
        make_room(disk)
        journal.append_logs(LOGS[2:4])
        assert list(SealedJournal(str(disk / "journal.log")).read_logs(0)) == LOGS[:4]


def test_damage_is_seen(tmp_path, path):
    SealedJournal(path).append_logs(LOGS)

    def read():
        return list(SealedJournal(path).read_logs(0))

    def as_killed(whole, found):
        # A cut file is what a process leaves that was killed in writing.
        return found == whole[: len(found)]

    assert assert_refused(tmp_path / "journal.log", read, as_killed) >= 45


def test_another_file_is_refused(path):
    with open(path, "w") as file:
        file.write('{"op_code":0}\n')
    with pytest.raises(UserError, match="line 1: damaged"):
        list(SealedJournal(path).read_logs(0))
