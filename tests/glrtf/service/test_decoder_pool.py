import io
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from asking import one_line, send
from photo_world import image_id
from PIL import Image
from shard_writing import photo

from glrtf.data import decoding, numpy_resize
from glrtf.data.input_spec import ForeignSpec, InputSpec
from glrtf.service import decoder_pool
from glrtf.service.decoder_pool import DecoderPool, DecoderTimeoutError
from glrtf.service.photo_input import PhotoReader, RefusedPhotoError

PIXELS = 64_000_000
SPECS = [InputSpec(32)]
DYING = (sys.executable, str(Path(__file__).parents[2] / "dying_decoder.py"))


@pytest.fixture
def pool_of():
    opened = []

    def make(size=1, cpu_seconds=10.0):
        opened.append(DecoderPool(size, cpu_seconds))
        return opened[-1]

    yield make
    for pool in opened:
        pool.close()


@pytest.fixture
def dying(monkeypatch):
    monkeypatch.setattr(decoder_pool, "_CHILD", DYING)


def is_shown(pool, number):
    [found] = pool.inputs(photo(number), SPECS, PIXELS, 60)
    return (found == PhotoReader(32)(photo(number))).all()


def test_inputs_are_those_that_embedding_reads(pool_of):
    pool = pool_of()
    specs = [
        InputSpec(32),
        InputSpec(48, max_side=400, antialias=True),
        ForeignSpec(20, resize="crop", filter="bicubic", crop=0.875),
        ForeignSpec(64, resize="keep"),
    ]
    for number, height, width in ((1, 24, 40), (2, 301, 200), (3, 60, 600)):
        data = photo(number, height, width)
        by_itself = numpy_resize.resize(decoding.decode_on_host(data), 32)
        found = PhotoReader(specs, decoders=pool)(data)
        assert (found[0] == by_itself).all()
        for one, alone, spec in zip(found, PhotoReader(specs)(data), specs, strict=True):
            assert one.shape == spec.shape and (one == alone).all()


def test_refusals_come_through_with_their_reason(pool_of):
    pool = pool_of()
    for data, reason in ((b"", "empty"), (b"text", "not an image"), (photo(1, 8, 8), "too small")):
        with pytest.raises(RefusedPhotoError, match=reason):
            pool.inputs(data, SPECS, PIXELS, 60)
    with pytest.raises(RefusedPhotoError, match="too large"):
        pool.inputs(photo(1), SPECS, 24 * 40 - 1, 60)
    with pytest.raises(RefusedPhotoError):
        pool.thumbnail(b"text", 160, 60)
    assert Image.open(io.BytesIO(pool.thumbnail(photo(1, 300, 600), 160, 60))).size == (160, 80)
    assert pool.replaced == 0


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS])
def test_a_decoder_that_crashes_costs_one_photo_and_is_replaced(dying, pool_of, number):
    pool = pool_of()
    with pytest.raises(RefusedPhotoError, match="not decodable"):
        pool.inputs(b"signal %d" % number, SPECS, PIXELS, 60)
    assert pool.replaced == 1
    assert is_shown(pool, 1)


def test_a_photo_is_tried_again_when_its_decoder_was_killed_from_outside(dying, pool_of, tmp_path):
    pool = pool_of()
    found = pool.inputs(
        b"once %s photo:" % bytes(tmp_path / "killed") + photo(1), SPECS, PIXELS, 60
    )
    assert (found[0] == PhotoReader(32)(photo(1))).all() and pool.replaced == 1
    with pytest.raises(RefusedPhotoError, match="not decodable"):
        pool.inputs(b"signal %d" % signal.SIGKILL, SPECS, PIXELS, 60)
    assert pool.replaced == 3


def test_a_costly_photo_is_ended_by_its_processor_time(dying, pool_of):
    pool = pool_of(cpu_seconds=0.1)
    with pytest.raises(RefusedPhotoError, match=r"too costly: .* more than 0\.1 s"):
        pool.inputs(b"spin", SPECS, PIXELS, 600)
    assert is_shown(pool, 1)


def test_the_limit_is_for_each_photo_alone(dying, pool_of):
    pool = pool_of(cpu_seconds=0.5)
    large = photo(1, 800, 1200)
    for _ in range(80):  # Two seconds of processor time and more, all together.
        pool.inputs(large, SPECS, PIXELS, 60)
    assert pool.replaced == 0


def test_a_decoder_that_hangs_is_ended_when_the_time_is_up(dying, pool_of):
    pool = pool_of()
    assert is_shown(pool, 1)
    with pytest.raises(DecoderTimeoutError):
        pool.inputs(b"hang", SPECS, PIXELS, 0.1)
    assert pool.replaced == 1
    assert is_shown(pool, 2)


def test_waiting_for_a_decoder_counts(dying, pool_of):
    pool = pool_of()
    began = threading.Event()

    def hold():
        began.set()
        with pytest.raises(DecoderTimeoutError):
            pool.inputs(b"hang", SPECS, PIXELS, 2)

    thread = threading.Thread(target=hold)
    thread.start()
    began.wait()
    while not pool._free.empty():
        time.sleep(0.01)
    with pytest.raises(DecoderTimeoutError):
        pool.inputs(photo(1), SPECS, PIXELS, 0.01)
    thread.join()


def test_a_decoder_that_cannot_start_is_no_fault_of_the_photo(monkeypatch, pool_of):
    monkeypatch.setattr(decoder_pool, "_CHILD", (sys.executable, "-c", "import sys; sys.exit(3)"))
    with pytest.raises(RuntimeError, match=r"a decoder does not start \(exit code 3\)"):
        pool_of().inputs(photo(1), SPECS, PIXELS, 60)


def test_signals_to_the_group_do_not_end_a_decoder(pool_of):
    pool = pool_of()
    assert is_shown(pool, 1)
    [decoder] = pool._free.queue
    for number in (signal.SIGTERM, signal.SIGINT):
        os.kill(decoder._process.pid, number)
    assert is_shown(pool, 2) and pool.replaced == 0


def test_decoders_end_with_the_process_that_started_them():
    code = (
        "from glrtf.data.input_spec import InputSpec\n"
        "from glrtf.service.decoder_pool import DecoderPool as P; import os, signal\n"
        "p = P(1, 10)\n"
        "try: p.inputs(b'', [InputSpec(8)], 1, 60)\n"
        "except Exception: pass\n"
        "print(p._free.queue[0]._process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    # The decoder holds the pipe too: its end is seen when both have ended.
    found = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, timeout=600)
    assert found.returncode == -signal.SIGKILL and found.stderr == b""


def test_a_decoder_never_imports_tensorflow():
    code = "import sys; import glrtf.service.decoder_child; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_service_outlives_its_decoders(dying, client_with):
    client = client_with(decode_threads=1, decode_seconds=1)
    for order, reason in ((b"signal 11", "not decodable"), (b"spin", "too costly")):
        refused = send(client, order)
        assert refused.status_code == 422 and reason in one_line(refused)
    late = send(client_with(decode_threads=1, answer_timeout=0.5), b"hang")
    assert late.status_code == 503 and "no answer within" in one_line(late)
    found = send(client, photo(1)).json()
    assert found["photos"][0]["image_id"] == image_id(1)
    state = client.get("/healthz").json()
    assert state["decoders_replaced"] == 2
    assert state["searches"] == {"422": 2, "answered": 1}
