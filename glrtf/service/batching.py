"""Combines many single requests into few model calls."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

_BATCHES_IN_FLIGHT = 2


class Batcher(Generic[ItemT, ResultT]):
    """Collects items submitted within a short time and runs them together.

    Two batches run at a time, so that one is on the device while the results of the other are
    processed. Meanwhile the next batch fills. A single item does not wait. Items whose submitter
    has given up are skipped.

    Args:
        run: Maps items to the same number of results, in order. Runs in two threads at a time.
        max_batch: The largest number of items per call.
        wait: How long a batch waits for each further item, in seconds.
        expected: Whether further items may arrive; without it, a batch does not wait.

    Attributes:
        batches: The number of calls.
        items: The number of items in all calls.
    """

    def __init__(
        self,
        run: Callable[[Sequence[ItemT]], Sequence[ResultT]],
        max_batch: int,
        wait: float,
        expected: Callable[[], bool],
    ) -> None:
        self._run, self._max_batch, self._wait, self._expected = run, max_batch, wait, expected
        self._arrived = asyncio.Event()
        self._waiting: asyncio.Queue[tuple[ItemT, asyncio.Future[ResultT]]] = asyncio.Queue()
        self._threads = ThreadPoolExecutor(_BATCHES_IN_FLIGHT, "model")
        self._free = asyncio.Semaphore(_BATCHES_IN_FLIGHT)
        self._running: set[asyncio.Task[None]] = set()
        self._collector: asyncio.Task[None] | None = None
        self.batches = 0
        self.items = 0

    def start(self) -> None:
        """Starts collecting in the running event loop."""
        self._collector = asyncio.create_task(self._collect())

    async def stop(self) -> None:
        """Stops collecting: waits for running calls and drops waiting items."""
        if self._collector:
            self._collector.cancel()
            await asyncio.gather(self._collector, *self._running, return_exceptions=True)
        while not self._waiting.empty():
            self._waiting.get_nowait()[1].cancel()
        await asyncio.to_thread(self._threads.shutdown)

    async def submit(self, item: ItemT) -> ResultT:
        """Returns an item's result; an error of the run is raised for every item of its batch."""
        result: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((item, result))
        self._arrived.set()
        return await result

    @property
    def waiting(self) -> int:
        """The number of items that wait for a call."""
        return self._waiting.qsize()

    async def _collect(self) -> None:
        while True:
            await self._free.acquire()
            batch = [await self._waiting.get()]
            try:
                await self._wait_for_more()
            except asyncio.CancelledError:
                batch[0][1].cancel()
                raise
            while len(batch) < self._max_batch and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            task = asyncio.create_task(self._answer(batch))
            self._running.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._free.release()

    async def _wait_for_more(self) -> None:
        while self.waiting < self._max_batch - 1 and self._expected():
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), self._wait)
            except asyncio.TimeoutError:
                return

    async def _answer(self, batch: list[tuple[ItemT, asyncio.Future[ResultT]]]) -> None:
        wanted = [(item, result) for item, result in batch if not result.done()]
        if not wanted:
            return
        self.batches += 1
        self.items += len(wanted)
        loop = asyncio.get_running_loop()
        items = [item for item, _ in wanted]
        try:
            found = await loop.run_in_executor(self._threads, self._run, items)
        except Exception as error:
            # Any error is passed to each submitter; the collector continues.
            for _, result in wanted:
                if not result.done():
                    result.set_exception(error)
            return
        for (_, result), value in zip(wanted, found, strict=True):
            if not result.done():
                result.set_result(value)
