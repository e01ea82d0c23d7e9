"""Asking the HTTP service, and holding it up."""

import threading


def send(client, data, **parameters):
    return client.post("/search", files={"photo": ("x.jpg", data)}, params=parameters)


def one_line(response):
    """The one line that says what is wrong."""
    assert list(response.json()) == ["error"]
    line = response.json()["error"]
    assert line and "\n" not in line and "Traceback" not in line
    return line


def hold(searcher, monkeypatch):
    """Makes the searcher wait until the event returned is set; the other says that it waits."""
    free, waiting = threading.Event(), threading.Event()
    ask = searcher.ask

    def slow(queries, limit=100):
        waiting.set()
        free.wait(600)
        return ask(queries, limit)

    monkeypatch.setattr(searcher, "ask", slow)
    return free, waiting
