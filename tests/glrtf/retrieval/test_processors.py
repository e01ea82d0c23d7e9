"""Work dealt out to threads: every item once, in order, and no error lost."""

import threading

import pytest

from glrtf.retrieval import processors
from glrtf.retrieval.processors import for_all


@pytest.mark.parametrize("processors_there", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_every_item_once_and_in_order(monkeypatch, processors_there, count):
    monkeypatch.setattr(processors, "usable_processors", lambda: processors_there)
    called = []

    def square(item):
        called.append(item)
        return item * item

    items = range(3, 3 + count)
    assert for_all(square, items) == [item * item for item in items]
    assert sorted(called) == list(items)


def test_items_are_done_side_by_side(monkeypatch):
    monkeypatch.setattr(processors, "usable_processors", lambda: 3)
    # None of the three goes on before all of them are there.
    together = threading.Barrier(3, timeout=600)
    assert sorted(for_all(lambda _: together.wait(), range(3))) == [0, 1, 2]


@pytest.mark.parametrize("processors_there", [1, 2])
@pytest.mark.parametrize("broken", [0, 1, 5])
def test_an_error_ends_the_work(monkeypatch, processors_there, broken):
    monkeypatch.setattr(processors, "usable_processors", lambda: processors_there)
    began = []

    def fail(item):
        began.append(item)
        if item == broken:
            raise ValueError(f"item {item}")
        return item

    with pytest.raises(ValueError, match=f"item {broken}"):
        for_all(fail, range(1000))
    assert set(range(broken + 1)) <= set(began)
    if processors_there == 1:
        assert len(began) == broken + 1


def test_an_error_of_a_helper_is_not_lost(monkeypatch):
    monkeypatch.setattr(processors, "usable_processors", lambda: 2)
    caller = threading.get_ident()
    together = threading.Barrier(2, timeout=600)

    def fail(item):
        together.wait()
        if threading.get_ident() != caller:
            raise ValueError("a helper's")
        return item

    with pytest.raises(ValueError, match="a helper's"):
        for_all(fail, range(2))
