import asyncio
import threading

import pytest

from glrtf.service.batching import Batcher


def run_with(batcher, use):
    async def whole():
        batcher.start()
        try:
            return await use()
        finally:
            await batcher.stop()

    return asyncio.run(whole())


def test_every_item_gets_its_own_result_and_no_batch_is_too_long():
    lengths = []

    def double(items):
        lengths.append(len(items))
        return [2 * item for item in items]

    batcher = Batcher(double, max_batch=4, wait=0.01, expected=lambda: False)

    async def use():
        return await asyncio.gather(*(batcher.submit(n) for n in range(10)))

    assert run_with(batcher, use) == [2 * n for n in range(10)]
    # All ten wait when the first batch is collected.
    assert lengths == [4, 4, 2]
    assert (batcher.batches, batcher.items) == (3, 10)


def test_what_comes_while_two_batches_run_is_the_next_batch():
    running, free, lengths = threading.Semaphore(0), threading.Event(), []

    def slow(items):
        lengths.append(len(items))
        running.release()
        free.wait(600)
        return items

    batcher = Batcher(slow, max_batch=8, wait=0.0, expected=lambda: False)

    async def use():
        tasks = []
        for number in range(2):
            tasks.append(asyncio.create_task(batcher.submit(number)))
            await asyncio.to_thread(running.acquire)
        tasks += [asyncio.create_task(batcher.submit(n)) for n in range(2, 7)]
        await asyncio.sleep(0.05)
        waiting = batcher.waiting
        free.set()
        assert waiting == 5
        return await asyncio.gather(*tasks)

    assert run_with(batcher, use) == list(range(7))
    assert lengths == [1, 1, 5]


def test_who_has_given_up_is_left_out():
    seen = []

    def run(items):
        seen.append(list(items))
        return items

    batcher = Batcher(run, max_batch=8, wait=0.05, expected=lambda: True)

    async def use():
        kept = asyncio.create_task(batcher.submit("kept"))
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(batcher.submit("given up"), 0.001)
        return await kept

    assert run_with(batcher, use) == "kept"
    assert seen == [["kept"]]


def test_what_is_on_its_way_is_waited_for():
    lengths, coming = [], 4

    def run(items):
        lengths.append(len(items))
        return items

    batcher = Batcher(run, max_batch=8, wait=5.0, expected=lambda: coming > 0)

    async def use():
        nonlocal coming
        tasks = []
        for number in range(4):
            coming -= 1
            tasks.append(asyncio.create_task(batcher.submit(number)))
            await asyncio.sleep(0.01)
        return await asyncio.gather(*tasks)

    assert run_with(batcher, use) == [0, 1, 2, 3]
    assert lengths == [4]


def test_a_failure_is_reported_to_its_batch_alone():
    def run(items):
        if "bad" in items:
            raise RuntimeError("no")
        return items

    batcher = Batcher(run, max_batch=1, wait=0.0, expected=lambda: False)

    async def use():
        return await asyncio.gather(
            batcher.submit("bad"), batcher.submit("good"), return_exceptions=True
        )

    failed, good = run_with(batcher, use)
    assert isinstance(failed, RuntimeError) and good == "good"


def test_stopping_waits_for_what_runs_and_gives_up_what_waits():
    started, free = threading.Semaphore(0), threading.Event()

    def slow(items):
        started.release()
        free.wait(600)
        return items

    batcher = Batcher(slow, max_batch=1, wait=0.0, expected=lambda: False)

    async def use():
        batcher.start()
        tasks = [asyncio.create_task(batcher.submit(n)) for n in range(3)]
        for _ in range(2):
            await asyncio.to_thread(started.acquire)
        stopping = asyncio.create_task(batcher.stop())
        await asyncio.sleep(0.02)
        free.set()
        await stopping
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, second, third = asyncio.run(use())
    assert (first, second) == (0, 1) and isinstance(third, asyncio.CancelledError)
