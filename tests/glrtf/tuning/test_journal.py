import json

import pytest

pytest.importorskip("optuna", reason="pip install '.[tune]'")

from small_disk import leave_free, lend, make_room

from glrtf.tuning.journal import JournalFile
from tfrecords_tools.errors import UserError

LOGS = [{"op": number, "text": "ü" * number} for number in range(20)]


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "journal.log")


def test_processes_see_what_others_append(path):
    one, other = JournalFile(path), JournalFile(path)
    assert list(other.read_logs(0)) == []
    one.append_logs(LOGS[:3])
    assert list(other.read_logs(0)) == LOGS[:3]
    other.append_logs(LOGS[3:5])
    assert list(one.read_logs(2)) == LOGS[2:5]
    assert list(one.read_logs(5)) == []
    assert list(JournalFile(path).read_logs(4)) == LOGS[4:5]


@pytest.mark.parametrize("left", [1, 5, 15])
def test_a_half_written_line_is_cut_off_by_the_next(path, left):
    JournalFile(path).append_logs(LOGS[:4])
    with open(path, "rb") as file:
        whole = file.read()
    for reader in (None, JournalFile(path)):
        with open(path, "wb") as file:
            file.write(whole + whole[:left])
        journal = reader or JournalFile(path)
        assert list(journal.read_logs(0)) == LOGS[:4]
        journal.append_logs(LOGS[4:6])
        assert list(JournalFile(path).read_logs(0)) == LOGS[:6]


def test_after_a_full_disk_it_goes_on(tmp_path):
    for disk in lend(tmp_path / "disk"):
        journal = JournalFile(str(disk / "journal.log"))
        journal.append_logs(LOGS[:2])
        leave_free(disk, 0)
        with pytest.raises(OSError, match=r"No space left on device: .*journal\.log"):
            journal.append_logs([{"much": "x" * 10_000}])
        make_room(disk)
        journal.append_logs(LOGS[2:4])
        assert list(JournalFile(str(disk / "journal.log")).read_logs(0)) == LOGS[:4]


def test_a_cut_file_holds_the_entries_before_the_cut(path):
    """As a process leaves it that was killed while it wrote."""
    JournalFile(path).append_logs(LOGS)
    with open(path, "rb") as file:
        whole = file.read()
    for length in range(0, len(whole), 7):
        with open(path, "wb") as file:
            file.write(whole[:length])
        count = whole[:length].count(b"\n")
        assert list(JournalFile(path).read_logs(0)) == LOGS[:count]


@pytest.mark.parametrize("line", ["{op", "7", "\xff", ""])
def test_a_line_that_is_not_an_entry_is_refused(path, line):
    JournalFile(path).append_logs(LOGS[:1])
    with open(path, "a", encoding="latin-1") as file:
        file.write(f"{line}\n")
    with pytest.raises(UserError, match=r"journal\.log: line 2: damaged: expected a JSON object"):
        list(JournalFile(path).read_logs(0))


def test_lines_with_checksums_of_earlier_versions(path):
    # 0x4f7d6f2f as an example: the checksum is skipped, not compared.
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(f"4f7d6f2f {json.dumps(log)}\n" for log in LOGS[:2])
    JournalFile(path).append_logs(LOGS[2:4])
    assert list(JournalFile(path).read_logs(0)) == LOGS[:4]
