"""Tests a running service with idle, slow, broken and foreign clients, and how soon it stops.

    python benchmarks/serve_faults.py -- --model M --index SET [--train SET --landmarks CSV]

Arguments after `--` are passed to ``python -m glrtf.serve``. Each trial prints one line: its
name, `right` or `wrong`, and what was observed. The exit code is 1 if any is wrong.
"""

import argparse
import contextlib
import io
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class Service:
    """The service in a separate process, with its standard error in a file."""

    def __init__(self, flags: list[str], log: Path) -> None:
        self._log = log
        with open(log, "wb") as file:
            command = [sys.executable, "-m", "glrtf.serve", *flags, "--port=0"]
            self.process = subprocess.Popen(command, stderr=file)
        while not (found := re.search(r"answering on http://[^/]*:(\d+)/", self.logged())):
            if self.process.poll() is not None:
                raise SystemExit(f"the service did not start: {self.logged()}")
            time.sleep(0.1)
        self.port = int(found[1])

    def logged(self) -> str:
        """What the service has written to standard error."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def connect(self) -> socket.socket:
        """A connection whose reads time out after 20 seconds."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def ask(self, request: bytes) -> tuple[int, bytes, float]:
        """Status (0 if the connection is closed without one), response, seconds."""
        began = time.monotonic()
        with contextlib.suppress(OSError), self.connect() as connection:
            connection.sendall(request)
            answer = read_all(connection)
            if answer.startswith(b"HTTP/1.1 "):
                return int(answer[9:12]), answer, time.monotonic() - began
        return 0, b"", time.monotonic() - began

    def stop(self) -> tuple[int, float]:
        """Sends SIGTERM and returns the exit code and the seconds until exit."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(120), time.monotonic() - began


def read_all(connection: socket.socket) -> bytes:
    """Everything received until the other side closes."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def jpeg(side: int = 64, seed: int = 0) -> bytes:
    """A photo of noise."""
    from PIL import Image

    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


def search(data: bytes, *headers: str) -> bytes:
    """A search for a photo."""
    body = b'--b\r\nContent-Disposition: form-data; name="photo"; filename="x"\r\n\r\n'
    body += data + b"\r\n--b--\r\n"
    lines = ["POST /search HTTP/1.1", "Host: localhost", "Connection: close", *headers]
    lines += ["Content-Type: multipart/form-data; boundary=b", f"Content-Length: {len(body)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


@contextlib.contextmanager
def many(service: Service, count: int, first: bytes) -> Iterator[list[socket.socket]]:
    """Opens this many connections that send this and stay open."""
    opened = []
    try:
        for _ in range(count):
            with contextlib.suppress(OSError):
                connection = service.connect()
                connection.sendall(first)
                opened.append(connection)
        time.sleep(0.5)
        yield opened
    finally:
        for connection in opened:
            connection.close()


def held_off(service: Service, count: int, first: bytes) -> tuple[bool, str]:
    """Whether health and search requests are answered while this many connections stay open."""
    with many(service, count, first):
        state, _, waited = service.ask(HEALTH)
        # The first try may come before a slow upload may be dropped.
        found, _, searched = service.ask(search(jpeg()))
        if found != 200:
            time.sleep(1.5)
            found, _, searched = service.ask(search(jpeg()))
    good = state == found == 200
    return good, f"healthz {state} in {waited:.1f} s, search {found} in {searched:.1f} s"


def aborted(service: Service) -> tuple[bool, str]:
    """Aborted uploads do not count as failures of the service and are not logged."""
    before = len(service.logged())
    for _ in range(10):
        with service.connect() as connection:
            connection.sendall(search(jpeg(512))[:20_000])
            time.sleep(0.05)
    time.sleep(0.5)
    failures = re.search(rb'"500":(\d+)', service.ask(HEALTH)[1])
    count = int(failures[1]) if failures else 0
    logged = len(service.logged()) - before
    return count == 0 and logged == 0, f"10 aborted: {count} as 500, {logged} bytes logged"


def foreign(service: Service) -> tuple[bool, str]:
    """A form sent by another site is refused; those of the page and of a script are not."""
    cases = {
        ("Origin: http://evil.example", "Sec-Fetch-Site: cross-site"): 403,
        ("Origin: http://evil.example",): 403,
        ("Origin: null",): 403,
        ("Origin: http://localhost:1", "Sec-Fetch-Site: same-site"): 403,
        ("Origin: http://localhost", "Sec-Fetch-Site: same-origin"): 200,
        (): 200,
    }
    found = {headers: service.ask(search(jpeg(), *headers))[0] for headers in cases}
    return found == cases, ", ".join(map(str, found.values()))


def unread(service: Service) -> tuple[bool, str]:
    """Clients that request much and read nothing."""
    requests = b"GET /page.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2000
    with many(service, 20, b"") as opened:
        for connection in opened:
            connection.setblocking(False)
            with contextlib.suppress(OSError):
                connection.send(requests)
        state, _, waited = service.ask(HEALTH)
    return state == 200, f"healthz {state} in {waited:.1f} s"


def trials() -> dict[str, Callable[[Service], tuple[bool, str]]]:
    """The trials, by name."""
    head = b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; "
    slow = head + b"boundary=b\r\nContent-Length: 1000000\r\n\r\n--b\r\n"
    return {
        "aborted uploads": aborted,
        "cross-site": foreign,
        "340 idle connections": lambda service: held_off(service, 340, b""),
        "340 unfinished heads": lambda service: held_off(service, 340, b"GET / HTTP/1.1\r\nX: "),
        "64 slow bodies": lambda service: held_off(service, 64, slow),
        "340 slow bodies": lambda service: held_off(service, 340, slow),
        "unread answers": unread,
    }


def main() -> int:
    """Runs all trials, then stops the service."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--log", type=Path, default=Path("serve_faults.log"))
    parser.add_argument("flags", nargs="+", help="flags of glrtf.serve, after --")
    arguments = parser.parse_args()
    service = Service(arguments.flags, arguments.log)
    wrong = 0
    try:
        for name, trial in trials().items():
            good, seen = trial(service)
            wrong += not good
            print(f"{name:<24}{'right' if good else 'wrong':<7}{seen}", flush=True)
            time.sleep(0.5)
        with contextlib.closing(service.connect()):
            code, seconds = service.stop()
        good = code == 0 and seconds <= 2
        wrong += not good
        print(f"{'SIGTERM':<24}{'right' if good else 'wrong':<7}exit {code} in {seconds:.1f} s")
    finally:
        if service.process.poll() is None:
            os.kill(service.process.pid, signal.SIGKILL)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
