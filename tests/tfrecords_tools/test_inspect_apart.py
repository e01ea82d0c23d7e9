"""Images inspected in a child process; those that end it are in test_worker_deaths.py."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from tiny_gldv2 import jpeg

from tfrecords_tools import images, inspect_apart
from tfrecords_tools.images import ImageSettings


@pytest.fixture(autouse=True)
def fresh_children():
    inspect_apart.close()
    yield
    inspect_apart.close()


@pytest.mark.parametrize(
    "settings", [ImageSettings(verify="decode"), ImageSettings(max_side=20, quality=80)]
)
def test_the_fate_is_that_of_an_inspection_in_this_process(settings):
    for data in (jpeg(1), jpeg(2)[:-2], b"", b"no image"):
        assert inspect_apart.inspect(data, settings, "one") == images.inspect(data, settings)


def test_threads_get_their_own_answers():
    settings = ImageSettings()
    photos = [jpeg(n) for n in range(40)]
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda data: inspect_apart.inspect(data, settings, "one"), photos))
    assert [each.encoded for each in found] == photos
    assert 1 <= len(inspect_apart._free) <= 3


def test_an_interrupted_inspection_leaves_no_answer_for_the_next():
    settings = ImageSettings()
    inspect_apart.inspect(jpeg(0), settings, "one")
    [child] = inspect_apart._free
    child._connection = Interrupted(child._connection)
    with pytest.raises(KeyboardInterrupt):
        inspect_apart.inspect(jpeg(1), settings, "one")
    assert inspect_apart._free == []
    assert inspect_apart.inspect(jpeg(2), settings, "one").encoded == jpeg(2)


class Interrupted:
    """A connection on which Ctrl-C comes while an answer is awaited."""

    def __init__(self, connection):
        self._connection = connection

    def __getattr__(self, name):
        return getattr(self._connection, name)

    def recv_bytes(self):
        raise KeyboardInterrupt
