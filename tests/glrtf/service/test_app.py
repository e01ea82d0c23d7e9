import io
import struct
import threading
import zlib

import pytest
from asking import hold, one_line, send
from photo_world import image_id
from PIL import Image
from shard_writing import photo
from waiting import wait_for

from glrtf.service.batching import Batcher
from glrtf.service.limits import SECURITY_HEADERS
from glrtf.service.queries import Query, Within


def test_a_photo_is_answered_as_the_searcher_answers_it(client_with, parts):
    client = client_with()
    found = send(client, photo(1), limit=3)
    assert found.status_code == 200
    [expected] = parts[1].search([pixels(parts, photo(1))], 3)
    answer = found.json()
    assert [each["image_id"] for each in answer["photos"]] == [e.image_id for e in expected.photos]
    for name in ("final", "direct", "bridged"):
        assert [each[name] for each in answer["photos"]] == pytest.approx(
            [getattr(each, name) for each in expected.photos], abs=1e-6
        )
    assert answer["landmarks"][0]["name"] == "Tower <101>"
    assert answer["landmarks"][0]["train_photos"][0] == image_id(1)


def pixels(parts, data):
    from glrtf.service.photo_input import PhotoReader

    return PhotoReader(parts[1].model.embedder.size)(data)


def test_a_box_is_cut_from_its_photo(client_with, parts):
    client = client_with()
    data = photo(9, 90, 120, "PNG")
    cut = Image.open(io.BytesIO(data)).crop((30, 0, 120, 60))
    by_hand = send(client, encoded(cut, "PNG"), limit=8).json()
    whole = send(client, data, limit=8).json()
    inside = send(client, data, limit=8, box="30,0,120,60").json()
    assert inside == by_hand != whole
    for wrong in ("1,2,3", ["0,0,1,1", "0,0,1,1"]):
        refused = send(client, photo(9), box=wrong)
        assert refused.status_code == 422 and one_line(refused).startswith("box: expected")
    outside = send(client, photo(9), box="500,0,600,9")
    assert outside.status_code == 422 and "the box 500,0,600,9 lies outside" in one_line(outside)


def test_photos_like_an_index_photo_are_found(client_with, parts):
    client = client_with()
    [expected] = parts[1].ask([Query(like=(image_id(1),), within=Within(("101", "102")))], 8)
    parameters = {"image_id": image_id(1), "only_labels": ["101", "102"], "limit": 8}
    found = client.post("/like", params=parameters)
    assert found.status_code == 200
    assert [each["image_id"] for each in found.json()["photos"]] == [
        each.image_id for each in expected.photos
    ]
    other = client.post("/like", params={"image_id": "other"})
    assert other.status_code == 404 and one_line(other).startswith("like other: expected the id")
    assert client.post("/like").status_code == 422
    many = client.post("/like", params={"image_id": [image_id(1)] * 9})
    assert many.status_code == 422 and "expected at most 8 photos, found 9" in one_line(many)


def test_several_photos_are_fused_by_their_best_scores(client_with, parts):
    client = client_with()
    photos = [("photo", photo(n)) for n in (1, 2)]
    found = client.post("/search", files=photos, params={"fusion": "max", "limit": 7})
    query = Query(tuple(pixels(parts, data) for _, data in photos), fusion="max")
    [expected] = parts[1].ask([query], 7)
    assert [each["image_id"] for each in found.json()["photos"]] == [
        each.image_id for each in expected.photos
    ]
    wrong = client.post("/search", files=photos, params={"fusion": "sum"})
    assert wrong.status_code == 422 and "fusion" in one_line(wrong)


def test_several_photos_of_one_object_have_one_answer(client_with, parts):
    client = client_with()
    photos = [("photo", photo(n)) for n in (1, 2)]
    found = client.post("/search", files=photos, params={"like": image_id(3), "limit": 7})
    [expected] = parts[1].ask([Query(tuple(pixels(parts, d) for _, d in photos), (image_id(3),))])
    assert [each["image_id"] for each in found.json()["photos"]] == [
        each.image_id for each in expected.photos[:7]
    ]


def encoded(image, kind, **settings):
    buffer = io.BytesIO()
    image.save(buffer, kind, **settings)
    return buffer.getvalue()


def bomb():
    """A PNG of a few bytes that claims 50,000 x 50,000 pixels."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    content = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + content + chunk(b"IEND", b"")


GIF = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue")]


@pytest.mark.parametrize(
    ("data", "status", "reason"),
    [
        (b"", 415, "empty"),
        (b"<html><script>alert(1)</script></html>" * 50, 415, "not an image"),
        (bomb(), 422, "too large"),
        (photo(1)[:500], 422, "truncated"),
        (photo(1, 300, 300)[:-500], 422, "truncated"),
        (photo(1, 8, 8), 422, "too small (8x8)"),
        (encoded(GIF[0], "GIF", save_all=True, append_images=GIF[1:]), 422, "animated GIF"),
        (encoded(GIF[0], "WEBP", save_all=True, append_images=GIF[1:]), 422, "animated WEBP"),
    ],
    ids=["empty", "html", "bomb", "header", "cut", "small", "gif", "webp"],
)
def test_what_is_no_photo_is_refused_with_its_reason(client_with, data, status, reason):
    refused = send(client_with(), data)
    assert refused.status_code == status
    assert one_line(refused) == f"expected a photo, found an unusable file: {reason}"


def test_what_the_builder_converts_is_answered(client_with):
    client = client_with()
    shown = Image.open(io.BytesIO(photo(2)))
    for data in (
        encoded(shown.convert("CMYK"), "JPEG"),
        encoded(shown, "PNG"),
        encoded(shown.convert("RGBA"), "WEBP", lossless=True),
    ):
        answer = send(client, data)
        assert answer.status_code == 200
        assert answer.json()["photos"][0]["image_id"] == image_id(2)


def test_every_faulty_file_is_answered_or_refused_in_one_line(client_with, faults):
    client = client_with()
    refused = {}
    for path in sorted(faults.glob("*.jpg")):
        response = send(client, path.read_bytes())
        assert response.status_code in (200, 415, 422), path.name
        if response.status_code != 200:
            refused[path.name] = one_line(response)
    names = {name.removesuffix(".jpg") for name in refused}
    assert {"bomb_png_30000", "html404", "zero_byte", "truncated_50", "animated_gif_as"} <= names
    assert not {"ok", "cmyk", "exif_rot6"} & names


def test_an_internal_failure_reveals_no_details(parts, client_with, monkeypatch):
    def fail(queries, limit=100):
        raise RuntimeError("/secret/path")

    monkeypatch.setattr(parts[1], "ask", fail)
    client = client_with(raising=False)
    failed = send(client, photo(1))
    assert failed.status_code == 500 and "secret" not in failed.text
    assert client.get("/healthz").json()["searches"] == {"500": 1}


def test_searches_at_once_share_model_calls(client_with, parts, monkeypatch):
    free, waiting = hold(parts[1], monkeypatch)
    submitted = []
    submit = Batcher.submit

    async def counted(batcher, item):
        submitted.append(item)
        return await submit(batcher, item)

    monkeypatch.setattr(Batcher, "submit", counted)
    client = client_with()
    answers = {}

    def ask(number):
        answers[number] = send(client, photo(number)).json()["photos"][0]["image_id"]

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
    threads[0].start()
    assert waiting.wait(600)
    for thread in threads[1:]:
        thread.start()
    wait_for(lambda: len(submitted) == 8)  # The last one, too, is decoded and waits.
    assert client.get("/healthz").json()["open_searches"] == 8
    free.set()
    for thread in threads:
        thread.join(600)
    assert answers == {number: image_id(number) for number in range(8)}
    state = client.get("/healthz").json()
    assert state["batched_photos"] == 8 and state["batches"] <= 3


def test_photos_of_both_sets_whole_and_small(client_with):
    client = client_with()
    for split, number in (("index", 3), ("train", 11)):
        whole = client.get(f"/photos/{split}/{image_id(number)}")
        assert whole.content == photo(number)
        assert whole.headers["content-type"] == "image/jpeg"
        small = client.get(f"/photos/{split}/{image_id(number)}", params={"side": 160})
        assert Image.open(io.BytesIO(small.content)).format == "JPEG"
    assert client.get(f"/photos/index/{image_id(3)}", params={"side": 5000}).status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        f"/photos/index/{image_id(11)}",  # of train alone
        f"/photos/test/{image_id(1)}",
        "/photos/index/..%2f..%2fmetadata%2ftrain.csv",
        "/photos/..%2fmetadata/train.csv",
        "/photos/%2e%2e/metadata/train.csv",
        "/photos/index/000000000000000g",
        "/photos/index/0000000000000001%00",
        "/photos/index/0000000000000001.jpg",
        "/photos/index//etc/passwd",
    ],
)
def test_nothing_but_photos_is_reached_by_a_path(client_with, path):
    refused = client_with().get(path)
    assert refused.status_code == 404
    assert one_line(refused) in ("no such photo", "Not Found")


def test_every_response_has_the_security_headers(client_with):
    client = client_with()
    for response in (
        client.get("/"),
        client.get("/healthz"),
        client.get("/nowhere"),
        client.get("/", headers={"Host": "evil.example"}),
        send(client, photo(1)),
        send(client, b""),
    ):
        for name, value in SECURITY_HEADERS.items():
            assert response.headers[name] == value
    policy = SECURITY_HEADERS["Content-Security-Policy"]
    assert "'unsafe" not in policy and "http:" not in policy and "*" not in policy


def test_only_known_names_of_the_server_are_answered(client_with, world):
    client = client_with()
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400
    for host in ("localhost:8321", "127.0.0.1:8321", "[::1]:8321"):
        assert client.get("/", headers={"Host": host}).status_code == 200, host
    named = client_with(allowed_hosts=("photos.example",))
    assert named.get("/", headers={"Host": "photos.example"}).status_code == 200
    assert named.get("/", headers={"Host": "localhost"}).status_code == 400


def test_the_page_takes_nothing_from_elsewhere(client_with):
    client = client_with()
    for path in ("/", "/page.css", "/page.js", "/icon.svg"):
        shown = client.get(path)
        assert shown.status_code == 200
        assert "https://" not in shown.text
        assert "http://" not in shown.text.replace("http://www.w3.org/2000/svg", "")
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert client.get(path).status_code == 404
