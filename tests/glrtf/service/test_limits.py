import asyncio
import threading
import time

import pytest
from asking import hold, one_line, send
from shard_writing import photo
from starlette.exceptions import HTTPException

from glrtf.service import limits


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
    many = client.post("/search", files=[("photo", photo(n)) for n in range(9)])
    assert many.status_code == 400 and one_line(many)
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

    # TestClient takes in the whole body first, so the service is called as a server calls it.
    sent = ask_in_parts(client_with(upload_timeout=0.05).app, dripping())
    assert sent[0]["status"] == 408 and b"more than 0.05 seconds" in sent[1]["body"]


def test_more_searches_than_allowed_must_retry_later(client_with, parts, monkeypatch):
    free, waiting = hold(parts[1], monkeypatch)
    client = client_with(max_requests=1)
    first = []
    thread = threading.Thread(target=lambda: first.append(send(client, photo(1))))
    thread.start()
    assert waiting.wait(600)
    busy = send(client, photo(2))
    assert busy.status_code == 503 and busy.headers["retry-after"] == "1"
    assert one_line(busy) == "busy with 1 searches; try again in a second"
    assert client.get("/healthz").json()["open_searches"] == 1
    free.set()
    thread.join(600)
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


FOREIGN = "http://evil.example"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),  # a program
        ({"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "http://localhost"}, 200),
        ({"Origin": "https://localhost"}, 200),  # a proxy that speaks TLS
        ({"Origin": FOREIGN, "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": FOREIGN}, 403),
        ({"Origin": "http://localhost:81"}, 403),
        ({"Origin": "http://localhost:81", "Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_other_sites_cannot_send_photos(client_with, headers, status):
    client = client_with()
    answer = client.post("/search", files={"photo": ("x.jpg", photo(1))}, headers=headers)
    assert answer.status_code == status
    if status == 403:
        assert "another site" in one_line(answer) and FOREIGN not in answer.text
        assert client.get("/healthz", headers=headers).status_code == 200
        assert client.get("/healthz").json()["searches"] == {}


def test_a_client_that_goes_away_is_no_failure(client_with, caplog):
    client = client_with()
    sent = ask_in_parts(client.app, [BEGINNING + b"x", None])
    assert sent and not caplog.records
    assert client.get("/healthz").json()["searches"] == {"aborted": 1}


BEGINNING = b'--b\r\nContent-Disposition: form-data; name="photo"; filename="x"\r\n\r\n'


def ask_in_parts(app, parts):
    """What is answered to a search whose body comes in parts; None is the client's end."""
    sent = []

    async def ask():
        coming = iter(parts)

        async def receive():
            # In a thread, since a part may take its time.
            part = await asyncio.to_thread(next, coming, b"")
            if part is None:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": part, "more_body": True}

        async def keep(message):
            sent.append(message)

        headers = [(b"host", b"localhost"), (b"content-type", b"multipart/form-data; boundary=b")]
        scope = {"type": "http", "method": "POST", "path": "/search", "headers": headers}
        scope |= {"query_string": b"", "scheme": "http", "server": ("localhost", 80)}
        await app(scope, receive, keep)

    asyncio.run(ask())
    return sent


async def never():
    await asyncio.Event().wait()


async def part(length):
    return {"type": "http.request", "body": bytes(length), "more_body": True}


def test_the_slowest_upload_makes_way_when_all_places_are_taken(monkeypatch):
    monkeypatch.setattr(limits, "_GRACE", 0.0)

    async def compete():
        admission = limits.Admission(3)
        with admission.one() as working, admission.one() as fast, admission.one() as slow:
            working.uploading = False
            await fast.receive(part(1000), 60)
            await slow.receive(part(10), 60)
            waiting = asyncio.create_task(slow.receive(never(), 60))
            await asyncio.sleep(0)
            with admission.one() as newcomer:
                with pytest.raises(HTTPException) as ended:
                    await waiting
                assert ended.value.status_code == 408
                newcomer.uploading = fast.uploading = False
                assert admission.open == 3
                # Nobody uploads any more: what is at work stays.
                with pytest.raises(HTTPException) as busy, admission.one():
                    pass
                assert busy.value.status_code == 503
            return admission

    assert asyncio.run(compete()).open == 0


def test_an_upload_keeps_its_place_for_a_moment():
    async def compete():
        admission = limits.Admission(1)
        with admission.one() as first:
            with pytest.raises(HTTPException), admission.one():
                pass
            assert (await first.receive(part(1), 60))["body"] == bytes(1)

    asyncio.run(compete())
