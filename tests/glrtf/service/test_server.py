import os
import re
import signal
import socket
import subprocess
import sys

import pytest
from photo_world import image_id
from shard_writing import photo

from glrtf.commands import serve


@pytest.fixture(scope="module")
def running(world, tmp_path_factory):
    """A server in a process of its own, and the port it says it listens on."""
    flags = [f"--{name}={value}" for name, value in world.searched.items()]
    flags += [f"--cache={tmp_path_factory.mktemp('cache')}", "--port=0", "--max_batch=2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "glrtf.serve", *flags],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    lines = []
    for line in process.stderr:
        lines.append(line)
        if found := re.search(r"answering on http://127\.0\.0\.1:(\d+)/", line):
            break
    else:
        pytest.fail("".join(lines))
    yield process, int(found[1])
    process.kill()
    process.stderr.close()


def form(data):
    body = b'--b\r\nContent-Disposition: form-data; name="photo"; filename="x"\r\n\r\n'
    body += data + b"\r\n--b--\r\n"
    head = (
        "POST /search HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def read_all(connection):
    received = b""
    while part := connection.recv(65536):
        received += part
    return received


def test_on_a_signal_it_finishes_open_requests_and_exits_0(running):
    process, port = running
    request = form(photo(1))
    with socket.create_connection(("127.0.0.1", port), timeout=600) as connection:
        connection.sendall(request[:300])
        # An answer to another request: the first has been taken up before it.
        with socket.create_connection(("127.0.0.1", port), timeout=600) as other:
            other.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert b'"open_searches":1' in read_all(other)
        process.send_signal(signal.SIGTERM)
        connection.sendall(request[300:])
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 200") and image_id(1).encode() in answer
    assert process.wait(600) == 0
    assert process.stderr.read() == ""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_a_port_in_use_takes_one_line_before_anything_is_loaded(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert serve.main(["--model=none", "--index=none", f"--port={port}"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert f"--port {port}: expected a free address" in line and "in use" in line


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--host=192.0.2.1"], "--host 192.0.2.1 --port 8321: expected a free address"),
        (["--port=70000"], "--port: expected 0 to 65535, found 70000"),
        (["--max_batch=0"], "--max_batch: expected 1 to 4096, found 0"),
        (["--port=0"], "none"),
        (
            ["--port=0", "--photos=/nowhere"],
            "--photos /nowhere: expected a folder, found none of that name",
        ),
    ],
)
def test_mistakes_take_one_line(capsys, flags, message):
    assert serve.main(["--model=none", "--index=none", *flags]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert message in line


def test_it_listens_on_loopback_alone_by_default():
    from glrtf.config.service import ServeConfig

    assert ServeConfig(model="m", index="i").host == "127.0.0.1"
