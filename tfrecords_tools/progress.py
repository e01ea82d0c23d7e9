"""Progress of long work: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from types import TracebackType

_SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Shows how far a loop is, its rate and the time left, on standard error.

    Use it as a context manager and call `update` as items are finished.

    Args:
        description: The activity, such as ``"embed test"``.
        total: The number of items; None if unknown.
        unit: The name of an item, such as ``"image"``.
    """

    def __init__(self, description: str, total: int | None, unit: str = "item") -> None:
        self._description = description
        self._total = total
        self._unit = unit
        self._done = 0
        self._note = ""
        self._began = self._last_line = time.monotonic()
        # Count and time of the first update: what came before, such as a compilation, does not help
        # to estimate the time left.
        self._first: tuple[int, float] | None = None
        self._bar = None
        if sys.stderr.isatty():
            import tqdm

            self._bar = tqdm.tqdm(
                desc=description, total=total, unit=unit, dynamic_ncols=True, leave=False
            )

    def update(self, count: int = 1, note: str = "") -> None:
        """Counts finished items.

        Args:
            count: How many more items were finished.
            note: A short text shown after the figures, such as a loss.
        """
        self._done += count
        self._note = note
        now = time.monotonic()
        is_first = self._first is None
        if self._first is None:
            self._first = (self._done, now)
        if self._bar is not None:
            if note:
                self._bar.set_postfix_str(note, refresh=False)
            if is_first:
                # The bar's clock starts here, with this much done before.
                self._bar.unpause()
                self._bar.n = self._bar.initial = self._bar.last_print_n = count
                self._bar.refresh()
            else:
                self._bar.update(count)
        elif now - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = now
            print(self._line(now), file=sys.stderr, flush=True)

    @property
    def seconds(self) -> float:
        """Seconds since the work began, never 0."""
        return max(time.monotonic() - self._began, 1e-9)

    def _line(self, now: float | None = None) -> str:
        """The progress so far and, given the time, the time left."""
        warm = self._warm_rate(now) if now is not None else 0.0
        rate = warm or self._done / self.seconds
        of_total = "" if self._total is None else f"/{self._total}"
        line = f"{self._description}: {self._done}{of_total} {_plural(self._unit)}, {rate:.3g}/s"
        if self._total is not None and self._done < self._total and warm:
            line += f", {format_seconds((self._total - self._done) / warm)} left"
        return f"{line}, {self._note}" if self._note else line

    def _warm_rate(self, now: float) -> float:
        """Items a second since the first update; 0 if that is unknown."""
        done, since = self._first or (0, now)
        return (self._done - done) / (now - since) if now > since else 0.0

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        if kind is None:
            took = format_seconds(time.monotonic() - self._began)
            print(f"{self._line()}, took {took}", file=sys.stderr, flush=True)


def _plural(unit: str) -> str:
    """``query`` -> ``queries``, ``image`` -> ``images``."""
    return f"{unit[:-1]}ies" if unit.endswith("y") else f"{unit}s"


def format_seconds(seconds: float) -> str:
    """Writes a duration as text: ``7.2 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"
