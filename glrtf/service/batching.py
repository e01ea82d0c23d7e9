"""Many single requests, few model calls."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


class Batcher(Generic[ItemT, ResultT]):
    """Collects what is submitted within a short time and runs it at once.

    While one batch runs the next one collects, so the fuller the load the fuller
    the batches. An item whose submitter has given up is left out.

    Args:
        run: From items to as many results, in order. Runs in one thread of its own.
        max_batch: Most items of a call.
        wait: How long the first item of a batch waits for others, seconds.

    Attributes:
        batches: How many calls were made.
        items: How many items they had, all together.
    """

    def __init__(
        self, run: Callable[[Sequence[ItemT]], Sequence[ResultT]], max_batch: int, wait: float
    ) -> None:
        self._run, self._max_batch, self._wait = run, max_batch, wait
        self._waiting: asyncio.Queue[tuple[ItemT, asyncio.Future[ResultT]]] = asyncio.Queue()
        self._thread = ThreadPoolExecutor(1, "model")
        self._collector: asyncio.Task[None] | None = None
        self.batches = 0
        self.items = 0

    def start(self) -> None:
        """Begins to collect, in the running event loop."""
        self._collector = asyncio.create_task(self._collect())

    async def stop(self) -> None:
        """Ends collecting; what runs is waited for, what waits is given up."""
        if self._collector:
            self._collector.cancel()
            await asyncio.gather(self._collector, return_exceptions=True)
        while not self._waiting.empty():
            self._waiting.get_nowait()[1].cancel()
        await asyncio.to_thread(self._thread.shutdown)

    async def submit(self, item: ItemT) -> ResultT:
        """An item's result. What the run raises, every item of its batch raises."""
        result: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((item, result))
        return await result

    async def _collect(self) -> None:
        while True:
            batch = [await self._waiting.get()]
            if self._waiting.qsize() < self._max_batch - 1:
                await asyncio.sleep(self._wait)
            while len(batch) < self._max_batch and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            wanted = [(item, result) for item, result in batch if not result.done()]
            if wanted:
                await self._answer([item for item, _ in wanted], [result for _, result in wanted])

    async def _answer(self, items: list[ItemT], results: list[asyncio.Future[ResultT]]) -> None:
        self.batches += 1
        self.items += len(items)
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self._thread, self._run, items)
        except asyncio.CancelledError:
            for result in results:
                result.cancel()
            raise
        except Exception as error:
            # Whatever it is, it is each submitter's to tell; the collector lives on.
            for result in results:
                if not result.done():
                    result.set_exception(error)
            return
        for result, value in zip(results, found, strict=True):
            if not result.done():
                result.set_result(value)
