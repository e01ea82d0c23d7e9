#!/usr/bin/env bash
# google-cloud-storage 3.17.1 (requests 2.34.2, urllib3 2.8.0): a download that the server answers five times with 503 and then serves.
#
# Expected: all six requests over one kept-alive connection, as for the object's metadata.
# Seen: reload: 6 requests, 1 connections
#       download: 6 requests, 5 connections
# A download is a streamed response, and the client raises for its status without reading the body. The connection does not return
# to the pool: the next attempt opens another, with a TLS handshake on a real bucket, while the old one stays open until the
# response is collected. Reading the body in a response hook of the client's session brings it down to two.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet google-cloud-storage==3.17.1 google-resumable-media==2.11.0 google-auth==2.62.2 google-api-core==2.44.0 requests==2.34.2 urllib3==2.8.0

cat > "$folder/retries.py" << 'PYTHON'
import http.server
import os
import threading

connections, answers = [], []


class Storage(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        connections.append(1)
        super().setup()

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        answers.append(503 if len(answers) < 5 else 200)
        body = b'{"name": "o", "size": "4"}'
        self.send_response(answers[-1])
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Storage)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ["STORAGE_EMULATOR_HOST"] = f"http://127.0.0.1:{server.server_port}"

from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from google.cloud.storage.retry import DEFAULT_RETRY

retry = DEFAULT_RETRY.with_delay(initial=0.01, maximum=0.02)


def count(name, call):
    connections.clear()
    answers.clear()
    blob = storage.Client("p", credentials=AnonymousCredentials()).bucket("b").blob("o")
    call(blob)
    print(f"{name}: {len(answers)} requests, {len(connections)} connections")


count("reload", lambda blob: blob.reload(retry=retry))
count("download", lambda blob: blob.download_as_bytes(retry=retry, checksum=None))
PYTHON

found=$("$folder/venv/bin/python" "$folder/retries.py" 2> "$folder/errors")
echo "$found"
expected='reload: 6 requests, 1 connections
download: 6 requests, 5 connections'
[ "$found" = "$expected" ] || { echo "changed: expected"; echo "$expected"; tail -n 5 "$folder/errors"; exit 1; }
