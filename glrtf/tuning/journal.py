"""A study's file: one line of JSON per entry, written completely or not at all."""

import io
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from optuna.storages.journal import BaseJournalBackend

from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import disk_faults, file_systems

# Earlier versions began each line with a checksum.
_OLD_CHECKSUM = re.compile(rb"[0-9a-f]{8} (?={)")


class JournalFile(BaseJournalBackend):
    """Optuna's journal in a local file that several processes append to.

    Unlike Optuna's own file, a line that a killed process or a full disk left
    half written is removed by the next process that writes, and no lock outlives its process.

    Args:
        path: The file; created if missing.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        # Where each known line ends, so that no line is read twice.
        self._ends = [0]
        with disk_faults.naming(path), open(path, "ab"):
            pass

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Yields the entries from a given number on.

        Raises:
            UserError: If a line is not an entry.
        """
        number = min(log_number_from, len(self._ends) - 1)
        with open(self._path, "rb") as file:
            file.seek(self._ends[number])
            data = file.read()
        for line in io.BytesIO(data):
            if not line.endswith(b"\n"):
                return  # Half written: its process is still writing it, or has died.
            number += 1
            entry = self._entry(line, number)
            if number == len(self._ends):
                self._ends.append(self._ends[-1] + len(line))
            if number > log_number_from:
                yield entry

    def append_logs(self, logs: Sequence[dict[str, Any]]) -> None:
        """Appends entries; they are on disk when it returns."""
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        with disk_faults.naming(self._path), open(self._path, "a+b") as file:
            file_systems.lock(file.fileno(), self._path)
            file.seek(self._ends[-1])
            whole = self._ends[-1] + file.read().rfind(b"\n") + 1
            file.truncate(whole)
            file.write(lines.encode())
            file.flush()
            file_systems.sync(file.fileno(), self._path)

    def _entry(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            entry = json.loads(_OLD_CHECKSUM.sub(b"", line, count=1))
        except ValueError as error:
            entry = error
        if isinstance(entry, dict):
            return entry
        raise UserError(
            f"{self._path}: line {number}: damaged: expected a JSON object; cut the file off "
            "before it, or choose another --output"
        )
