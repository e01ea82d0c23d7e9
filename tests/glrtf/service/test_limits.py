import asyncio
import threading
import time

from asking import hold, one_line, send
from shard_writing import photo


def test_a_pixel_limit_of_ones_own(client_with):
    client = client_with(max_pixels=24 * 40 - 1)
    assert "too large (40x24)" in one_line(send(client, photo(1)))
    assert send(client_with(max_pixels=24 * 40), photo(1)).status_code == 200


def test_long_uploads_are_refused_when_announced_and_when_not(client_with):
    client = client_with(max_upload=50_000)
    assert send(client, bytes(50_001)).status_code == 413
    announced = client.post("/search", content=b"x", headers=form_headers(length=10**12))
    assert announced.status_code == 413 and announced.headers["connection"] == "close"
    assert one_line(announced) == "expected a photo of at most 50000 bytes, found more"
    taken = 0

    def endless():
        nonlocal taken
        yield b'--b\r\nContent-Disposition: form-data; name="photo"; filename="x"\r\n\r\n'
        while taken < 10_000_000:
            taken += 10_000
            yield bytes(10_000)

    chunked = client.post("/search", content=endless(), headers=form_headers())
    assert chunked.status_code == 413


def form_headers(length=None):
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    return headers if length is None else {**headers, "Content-Length": str(length)}


def test_other_forms_are_refused(client_with):
    client = client_with()
    plain = client.post("/search", content=photo(1), headers={"Content-Type": "image/jpeg"})
    assert plain.status_code == 415 and "multipart/form-data" in one_line(plain)
    other = client.post("/search", files={"picture": photo(1)})
    assert other.status_code == 400 and "file 'photo'" in one_line(other)
    two = client.post("/search", files=[("photo", photo(1)), ("photo", photo(2))])
    assert two.status_code == 400 and one_line(two)
    for limit in (0, 101, "<b>"):
        refused = send(client, photo(1), limit=limit)
        assert refused.status_code == 422 and one_line(refused).startswith("limit: ")
        assert "<b>" not in refused.text
    assert client.get("/search").status_code == 405


def test_a_slow_upload_is_given_up(client_with):
    def dripping():
        yield b'--b\r\nContent-Disposition: form-data; name="photo"; filename="x"\r\n\r\n'
        time.sleep(0.5)
        yield b"x\r\n--b--\r\n"

    # TestClient takes in the whole body first, so the service is asked as a server asks it.
    app = client_with(upload_timeout=0.05).app
    sent = []

    async def ask():
        parts = iter(dripping())

        async def receive():
            part = await asyncio.to_thread(next, parts, b"")
            return {"type": "http.request", "body": part, "more_body": True}

        async def keep(message):
            sent.append(message)

        headers = [(b"host", b"localhost"), (b"content-type", b"multipart/form-data; boundary=b")]
        scope = {"type": "http", "method": "POST", "path": "/search", "headers": headers}
        scope |= {"query_string": b"", "scheme": "http", "server": ("localhost", 80)}
        await app(scope, receive, keep)

    asyncio.run(ask())
    assert sent[0]["status"] == 408 and b"more than 0.05 seconds" in sent[1]["body"]


def test_more_searches_than_allowed_are_told_to_come_back(client_with, parts, monkeypatch):
    free, waiting = hold(parts[1], monkeypatch)
    client = client_with(max_requests=1)
    first = []
    thread = threading.Thread(target=lambda: first.append(send(client, photo(1))))
    thread.start()
    assert waiting.wait(20)
    busy = send(client, photo(2))
    assert busy.status_code == 503 and busy.headers["retry-after"] == "1"
    assert one_line(busy) == "busy with 1 searches; try again in a second"
    assert client.get("/healthz").json()["open_searches"] == 1
    free.set()
    thread.join(20)
    assert first[0].status_code == 200
    assert send(client, photo(2)).status_code == 200
    assert client.get("/healthz").json()["searches"] == {"answered": 2, "503": 1}


def test_a_late_answer_is_given_up(client_with, parts, monkeypatch):
    free, _ = hold(parts[1], monkeypatch)
    client = client_with(answer_timeout=0.05)
    late = send(client, photo(1))
    assert late.status_code == 503 and late.headers["retry-after"] == "5"
    assert "no answer within 0.05 seconds" in one_line(late)
    free.set()
