"""A Google Cloud Storage emulator in a process of its own, behind a gate that makes trouble.

The gate passes requests on to gcp-storage-emulator. On the way it adds what the emulator lacks
(`ifGenerationMatch`) and, on request, answers errors, resets connections or stalls.
"""

import contextlib
import dataclasses
import http.client
import http.server
import json
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Iterator, Sequence
from typing import Any

BUCKET = "bucket"


@dataclasses.dataclass
class Fault:
    """Trouble for requests whose method and path match.

    Attributes:
        match: Searched for in ``"METHOD /path?query"``.
        times: How many such requests get it.
        after: How many such requests pass before.
        status: Answer this status; 0 with `stall` 0 resets the connection.
        stall: Seconds to wait before the connection is reset.
        body: What is answered with `status`; empty for an error in JSON.
        spoil: Passes the request on and spoils the answer's body: ``alter`` flips a bit,
            ``cut`` leaves out its second half, ``truncate`` hangs up in the middle.
    """

    match: str
    times: int = 1
    after: int = 0
    status: int = 0
    stall: float = 0.0
    body: bytes = b""
    spoil: str = ""


class Gate(http.server.ThreadingHTTPServer):
    """The server that clients see.

    Attributes:
        faults: Trouble to come; used up in order of their match.
        requests: ``"METHOD /path?query"`` of every request so far.
        connections: How many connections clients have opened so far.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, backend: int) -> None:
        super().__init__(("localhost", 0), _Handler)
        self.backend = backend
        self.faults: list[Fault] = []
        self.requests: list[str] = []
        self.connections = 0
        self.uploads: dict[str, str] = {}
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://localhost:{self.server_address[1]}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Counts a connection and answers its requests in a thread."""
        self.connections += 1
        super().process_request(request, client_address)

    def handle_error(self, request: object, client_address: object) -> None:
        """Says nothing: clients that hang up are part of the tests."""

    def take_fault(self, line: str) -> Fault | None:
        with self.lock:
            self.requests.append(line)
            for fault in self.faults:
                if not fault.times or not re.search(fault.match, line):
                    continue
                if fault.after:
                    fault.after -= 1
                    continue
                fault.times -= 1
                return fault
        return None

    def generation(self, bucket: str, name: str) -> str:
        """The live generation of an object, "0" if there is none."""
        path = f"/storage/v1/b/{bucket}/o/{urllib.parse.quote(name, safe='')}"
        status, _, body = self.forward("GET", path, {}, b"")
        return str(json.loads(body)["generation"]) if status == 200 else "0"

    def forward(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection("localhost", self.backend, timeout=600)
        try:
            connection.connect()
            # The emulator, too, sends two packets, and waits in between.
            acknowledge_at_once(connection.sock)
            connection.request(method, path, body, headers)
            acknowledge_at_once(connection.sock)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()


def acknowledge_at_once(connection: socket.socket) -> None:
    """Does not delay acknowledgements, until the system decides otherwise; Linux only."""
    if hasattr(socket, "TCP_QUICKACK"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer's head and body are two packets: the second would wait for the first's
    # acknowledgement, which the client delays by 40 ms.
    disable_nagle_algorithm = True
    server: Gate

    def log_message(self, *args: object) -> None:
        """Says nothing."""

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.server.take_fault(f"{self.command} {self.path}")
        if fault and not fault.spoil:
            self._make_trouble(fault)
        elif not self._is_live_generation():
            self._answer(404, b'{"error": {"code": 404, "message": "No such object"}}')
        elif self._meets_precondition(body):
            self._pass_on(body, fault.spoil if fault else "")
        else:
            self._answer(412, b'{"error": {"code": 412, "message": "conditionNotMet"}}')

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _serve  # noqa: N815

    def _make_trouble(self, fault: Fault) -> None:
        if fault.status:
            message = {"error": {"code": fault.status, "message": "trouble"}}
            kind = [("Content-Type", "text/html")] if fault.body else []
            self._answer(fault.status, fault.body or json.dumps(message).encode(), kind)
            return
        time.sleep(fault.stall)
        # A linger of 0 makes close() send a reset.
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()
        self.close_connection = True

    def _meets_precondition(self, body: bytes) -> bool:
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        upload = re.fullmatch(r"(?:/resumable)?/upload/storage/v1/b/([^/]+)/o", url.path)
        wanted = query.get("ifGenerationMatch")
        if not upload or wanted is None:
            return True
        name = self.server.uploads.get(query.get("upload_id", ""), query.get("name"))
        if name is None and (found := re.search(rb'"name":\s*"([^"]+)"', body)):
            name = found[1].decode()
        return self.server.generation(upload[1], name or "") == wanted

    def _note_upload(self, body: bytes, location: str) -> None:
        """Remembers which object a resumable upload is for."""
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(location).query))
        if "upload_id" in query and body:
            self.server.uploads[query["upload_id"]] = json.loads(body)["name"]

    def _is_live_generation(self) -> bool:
        """Whether a download that asks for a generation asks for the one that is there."""
        url = urllib.parse.urlsplit(self.path)
        wanted = dict(urllib.parse.parse_qsl(url.query)).get("generation")
        found = re.fullmatch(r"/download/storage/v1/b/([^/]+)/o/(.+)", url.path)
        if wanted is None or not found:
            return True
        return self.server.generation(found[1], urllib.parse.unquote(found[2])) == wanted

    def _encoding(self) -> str:
        """The Content-Encoding of the object that is downloaded, which the emulator leaves out."""
        url = urllib.parse.urlsplit(self.path)
        found = re.fullmatch(r"/download(/storage/v1/b/[^/]+/o/.+)", url.path)
        if not found:
            return ""
        status, _, body = self.server.forward("GET", found[1], {}, b"")
        return json.loads(body).get("contentEncoding") or "" if status == 200 else ""

    def _pass_on(self, body: bytes, spoil: str) -> None:
        headers = {k: v for k, v in self.headers.items() if k.lower() != "connection"}
        headers["Host"] = f"localhost:{self.server.backend}"
        status, answer, content = self.server.forward(self.command, self.path, headers, body)
        self._note_upload(body, dict(answer).get("Location", ""))
        proxy, backend = self.server.url, f"http://localhost:{self.server.backend}"
        kept = [
            (key, value.replace(backend, proxy))
            for key, value in answer
            if key.lower() not in ("content-length", "connection", "transfer-encoding")
        ]
        if content.startswith(b"{"):
            content = content.replace(backend.encode(), proxy.encode())
        if encoding := self._encoding():
            kept.append(("Content-Encoding", encoding))
        if spoil == "alter" and content:
            content = content[:-1] + bytes([content[-1] ^ 1])
        elif spoil == "cut":
            content = content[: len(content) // 2]
        self._answer(status, content, kept, truncate=spoil == "truncate")

    def _answer(
        self,
        status: int,
        body: bytes,
        headers: Sequence[tuple[str, str]] = (),
        *,
        truncate: bool = False,
    ) -> None:
        self.send_response_only(status)
        for key, value in headers or [("Content-Type", "application/json")]:
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if truncate else body)
        self.close_connection = self.close_connection or truncate


@contextlib.contextmanager
def running() -> Iterator[Gate]:
    """Runs the emulator and the gate; STORAGE_EMULATOR_HOST names the gate meanwhile."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "gcp_storage_emulator", "start"]
    options = ["--host=localhost", f"--port={port}", "--in-memory", f"--default-bucket={BUCKET}"]
    emulator = subprocess.Popen(
        command + options, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    gate = Gate(port)
    threading.Thread(target=gate.serve_forever, daemon=True).start()
    before = os.environ.get("STORAGE_EMULATOR_HOST")
    os.environ["STORAGE_EMULATOR_HOST"] = gate.url
    try:
        _wait_for(port, emulator)
        yield gate
    finally:
        if before is None:
            del os.environ["STORAGE_EMULATOR_HOST"]
        else:
            os.environ["STORAGE_EMULATOR_HOST"] = before
        gate.shutdown()
        gate.server_close()
        emulator.terminate()
        emulator.wait()


def _wait_for(port: int, emulator: subprocess.Popen) -> None:
    for _ in range(12_000):
        if emulator.poll() is not None:
            raise RuntimeError(f"the emulator ended with code {emulator.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("localhost", port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError("the emulator did not start")
