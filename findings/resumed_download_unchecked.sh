#!/usr/bin/env bash
# google-cloud-storage 3.17.1: a download that is interrupted and resumed is not checked.
#
# Expected from its documentation: download_as_bytes(checksum="crc32c") compares what it returns with
# the object's CRC-32C, also where the connection broke once and the library resumed by itself.
# Seen: the comparison is left out as soon as the last answer is 206. The same wrong bytes raise
# DataCorruption where one answer of status 200 brings them. So a caller must compare by itself.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q google-cloud-storage==3.17.1 google-crc32c==1.9.0 requests==2.34.2
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import base64
import http.server
import os
import threading

import google_crc32c

STORED = bytes(range(256)) * 64
SENT = STORED[:-1] + b"!"  # One byte is altered on the way.
HALF = len(STORED) // 2


class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    interrupted = True

    def do_GET(self):
        checksum = google_crc32c.Checksum(STORED).digest()
        start = int((self.headers.get("Range") or "bytes=0-").split("=")[1].split("-")[0])
        self.send_response(206 if start else 200)
        self.send_header("X-Goog-Hash", f"crc32c={base64.b64encode(checksum).decode()}")
        self.send_header("X-Goog-Generation", "1")
        self.send_header("Content-Length", str(len(SENT) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(SENT) - 1}/{len(SENT)}")
        self.end_headers()
        stop = HALF if self.interrupted and not start else len(SENT)
        self.wfile.write(SENT[start:stop])
        self.close_connection = True

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("localhost", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ["STORAGE_EMULATOR_HOST"] = f"http://localhost:{server.server_address[1]}"

from google.cloud import storage
from google.cloud.storage.exceptions import DataCorruption

blob = storage.Client(project="p").bucket("bucket").blob("object")
Server.interrupted = False
try:
    blob.download_as_bytes(checksum="crc32c")
except DataCorruption:
    print("one answer: DataCorruption, as documented")
else:
    raise SystemExit("changed: altered bytes of one answer are returned")
Server.interrupted = True
found = blob.download_as_bytes(checksum="crc32c")
if found != SENT:
    raise SystemExit("changed: other bytes")
print("resumed once: the altered bytes are returned without an error")
PYTHON
