"""How many updates a run has and where its epochs and stages end; pure arithmetic."""

import dataclasses
import math
from collections.abc import Sequence

_MOST_IN_FLIGHT = 3
_MOST_BYTES_IN_FLIGHT = 2**29


@dataclasses.dataclass(frozen=True)
class Stage:
    """A range of updates at one image size: first <= update < end."""

    size: int
    first: int
    end: int


@dataclasses.dataclass(frozen=True)
class RunPlan:
    """A run in updates.

    The stream of training images has no gaps: an update may contain the end of an epoch and the
    beginning of the next, so an epoch need not be a whole number of updates.

    Attributes:
        num_examples: Images of an epoch.
        global_batch_size: Images of an update.
        stages: In order, without gaps.
    """

    num_examples: int
    global_batch_size: int
    stages: tuple[Stage, ...]

    @property
    def total_updates(self) -> int:
        """Updates of the whole run."""
        return self.stages[-1].end

    @property
    def updates_per_epoch(self) -> float:
        """Updates of an epoch, with a fraction."""
        return self.num_examples / self.global_batch_size

    def epoch(self, update: int) -> float:
        """Epochs done after that many updates."""
        return update / self.updates_per_epoch

    def ends_epoch(self, update: int) -> bool:
        """Whether this update contains an epoch's last image, or is the run's last one."""
        done = math.floor(self.epoch(update) + 1e-9)
        return done > math.floor(self.epoch(update - 1) + 1e-9) or update == self.total_updates

    def update_at(self, images: int) -> int:
        """The first update after which that many images are seen; at most the last one.

        Rounded up, so that a run resumed with other updates never falls behind its
        checkpoint, and epochs that have ended do not end again.
        """
        return min(-(-images // self.global_batch_size), self.total_updates)


def plan_run(
    num_examples: int,
    global_batch_size: int,
    stages: Sequence[tuple[int, int]],
    most_updates: int | None = None,
) -> RunPlan:
    """Lays out a run.

    Args:
        num_examples: Images of an epoch.
        global_batch_size: Images of an update.
        stages: (size, epochs) of each stage.
        most_updates: The run has at most this many updates.
    """
    result: list[Stage] = []
    epochs, first = 0, 0
    for size, length in stages:
        epochs += length
        end = max(first + 1, round(epochs * num_examples / global_batch_size))
        if most_updates is not None:
            end = min(end, most_updates)
        if end > first:
            result.append(Stage(size, first, end))
        first = end
    return RunPlan(num_examples, global_batch_size, tuple(result))


def updates_in_flight(batch_size: int, size: int) -> int:
    """How many updates may wait for a device that is still busy with an earlier one.

    Their images, uint8, are in the device's memory: three updates, or fewer if their images take
    more than 0.5 GiB. Large batches of many micro-batches keep a device busy for seconds, so one is
    enough.

    Args:
        batch_size: Images of an update on one device.
        size: Side of an image in pixels.
    """
    fitting = _MOST_BYTES_IN_FLIGHT // (batch_size * size * size * 3)
    return max(1, min(_MOST_IN_FLIGHT, fitting))
