import socket
import threading
import time

import numpy as np
import pytest

from glrtf.service.decoder_channel import Channel


@pytest.fixture
def ends():
    one, other = map(Channel, socket.socketpair())
    yield one, other
    one.close()
    other.close()


def test_messages_arrive_as_they_were_sent(ends):
    one, other = ends
    large = np.random.default_rng(0).integers(0, 256, 3_000_000, np.uint8)
    sending = threading.Thread(
        target=lambda: [one.send(each) for each in (b"", b"some bytes", large.data)]
    )
    sending.start()
    assert [other.receive(10).tobytes() for _ in range(2)] == [b"", b"some bytes"]
    assert (other.receive(None) == large).all()
    sending.join()


def test_a_message_that_is_too_long(ends):
    one, other = ends
    one.send(bytes(11))
    with pytest.raises(OSError, match="expected a message of at most 10 bytes, found 11"):
        other.receive(10)


def test_the_time_for_a_message_includes_all_its_bytes(ends):
    one, other = ends
    until = time.monotonic() + 0.05
    with pytest.raises(TimeoutError):
        other.receive(10, until)
    with pytest.raises(TimeoutError):  # More than the buffers of the socket hold.
        one.send(bytes(10_000_000), time.monotonic() + 0.05)
    with pytest.raises(TimeoutError):  # What has arrived does not count.
        other.receive(None, until)


def test_the_other_side_closes(ends):
    one, other = ends
    one.close()
    with pytest.raises(EOFError):
        other.receive(10)
    with pytest.raises(BrokenPipeError):
        other.send(b"bytes")
