import asyncio
import contextlib
import socket
import threading
import time

import pytest
import uvicorn

from glrtf.service import connections

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
MUCH = 50_000_000


class Running:
    """A server of one trivial application in a thread."""

    def __init__(self, limit):
        self.kept, self.free, self.ended = threading.Event(), threading.Event(), threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.server = uvicorn.Server(
            uvicorn.Config(
                self.app,
                log_level="error",
                lifespan="off",
                interface="asgi3",
                http=connections.BoundedConnection,
                limit_concurrency=limit,
                timeout_keep_alive=600,
            )
        )
        self.thread = threading.Thread(target=self.server.run, args=([self.listener],))
        self.thread.start()

    async def app(self, scope, receive, send):
        if scope["path"] == "/held":
            self.kept.set()
            await asyncio.to_thread(self.free.wait)
        length = MUCH if scope["path"] == "/much" else 2
        headers = [(b"content-length", b"%d" % length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": bytes(length), "more_body": False})
        if length == MUCH:
            self.ended.set()

    def connect(self):
        return socket.create_connection(self.listener.getsockname(), timeout=120)

    def get(self):
        with self.connect() as connection:
            connection.sendall(closing(GET))
            return received(connection)


def closing(request):
    return request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")


def received(connection):
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


@pytest.fixture
def running_with():
    opened = []

    def make(limit=None):
        opened.append(Running(limit))
        return opened[-1]

    yield make
    for each in opened:
        each.free.set()
        each.server.should_exit = True
        each.thread.join()


@pytest.mark.parametrize("sent", [b"", b"GET / HTT", GET, GET + b"GET / HTT"])
def test_a_connection_that_does_not_ask_is_closed(running_with, monkeypatch, sent):
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0.2)
    with running_with().connect() as connection:
        connection.sendall(sent)
        # Ends because the server closes; uvicorn alone would wait for ever, or for 600 seconds.
        answer = received(connection)
    assert answer.count(b"200 OK") == sent.count(GET)


def test_a_request_that_is_being_answered_is_not_cut(running_with, monkeypatch):
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0.05)
    running = running_with()
    with running.connect() as connection, running.connect() as idle:
        connection.sendall(GET.replace(b"/ ", b"/held "))
        running.kept.wait()
        assert received(idle) == b""  # By now the time is up for the other one too.
        running.free.set()
        assert b"200 OK" in connection.recv(65536)


def test_an_answer_nobody_reads_is_given_up(running_with, monkeypatch):
    monkeypatch.setattr(connections, "UNREAD_SECONDS", 0.2)
    running = running_with()
    with running.connect() as connection:
        connection.sendall(GET.replace(b"/ ", b"/much "))
        running.ended.wait()
        while running.server.server_state.connections:
            time.sleep(0.01)
        assert len(received(connection)) < MUCH


def test_whoever_reads_slowly_but_steadily_gets_everything(running_with, monkeypatch):
    monkeypatch.setattr(connections, "UNREAD_SECONDS", 60)
    running = running_with()
    with running.connect() as connection:
        request = GET.replace(b"/ ", b"/much ").replace(
            b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"
        )
        connection.sendall(request)
        assert len(received(connection)) > MUCH


def test_idle_connections_make_way(running_with):
    running = running_with(limit=5)
    with contextlib.ExitStack() as opened:
        working = opened.enter_context(running.connect())
        working.sendall(GET.replace(b"/ ", b"/held "))
        running.kept.wait()
        idle = [opened.enter_context(running.connect()) for _ in range(20)]
        for _ in range(3):
            assert b"200 OK" in running.get()
        assert received(idle[0]) == b""  # The one that was idle longest.
        running.free.set()
        assert b"200 OK" in working.recv(65536)


def test_where_all_are_at_work_others_are_refused(running_with):
    running = running_with(limit=3)
    with running.connect() as first, running.connect() as second:
        for each in (first, second):
            each.sendall(GET.replace(b"/ ", b"/held "))
            running.kept.wait()
            running.kept.clear()
        assert running.get().startswith(b"HTTP/1.1 503")


def test_an_idle_connection_does_not_hold_up_the_end(running_with):
    running = running_with()
    with running.connect() as connection:
        connection.sendall(GET)
        assert b"200 OK" in connection.recv(65536)
        running.server.should_exit = True
        running.thread.join()
        assert received(connection) in (b"", b"\0\0")
