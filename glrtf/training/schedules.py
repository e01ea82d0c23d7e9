"""Learning rate schedules over the updates of a run."""

from typing import Any, TypeAlias

from glrtf.config.keras_settings import keras

Tensor: TypeAlias = Any

_EXPONENTIAL_START = 1e-6
_EXPONENTIAL_WARMUP_UNITS = 4
_EXPONENTIAL_DECAY = 0.9
_UNITS_PER_EPOCH = 3


class WarmupExponential(keras.optimizers.schedules.LearningRateSchedule):
    """The public script's schedule: 4 units up from 1e-6, then times 0.9 per unit.

    A unit is a third of an epoch; the rate changes continuously between whole units, so it does not
    depend on how many updates an epoch has.

    Args:
        peak: The rate after the warm-up.
        updates_per_epoch: How many updates make an epoch.
    """

    def __init__(self, peak: float, updates_per_epoch: float) -> None:
        self.peak = peak
        self.updates_per_epoch = updates_per_epoch

    def __call__(self, step: Tensor | int) -> Tensor:
        """The rate at an update, a float32 scalar."""
        units = keras.ops.cast(step, "float32") * (_UNITS_PER_EPOCH / self.updates_per_epoch)
        rising = (
            _EXPONENTIAL_START
            + (self.peak - _EXPONENTIAL_START) * units / _EXPONENTIAL_WARMUP_UNITS
        )
        falling = self.peak * _EXPONENTIAL_DECAY ** (units - _EXPONENTIAL_WARMUP_UNITS)
        return keras.ops.where(units < _EXPONENTIAL_WARMUP_UNITS, rising, falling)

    def get_config(self) -> dict:
        """The arguments that rebuild the schedule."""
        return {"peak": self.peak, "updates_per_epoch": self.updates_per_epoch}


def make_schedule(
    kind: str,
    peak: float,
    *,
    total_updates: int,
    updates_per_epoch: float,
    warmup_epochs: float = 1.0,
) -> keras.optimizers.schedules.LearningRateSchedule:
    """The schedule of that kind; call it with an update's number, from 0.

    Args:
        kind: `cosine`: linear from 0 to the peak over the warm-up, then half a
            cosine to 0 at `total_updates` (arXiv 1608.03983, without restarts).
            `exponential`: see `WarmupExponential`.
        peak: The highest rate.
        total_updates: Updates of the whole run.
        updates_per_epoch: Updates of an epoch.
        warmup_epochs: Length of the cosine's warm-up; at most half the run is used.

    Raises:
        ValueError: If there is no schedule of that kind.
    """
    if kind == "exponential":
        return WarmupExponential(peak, updates_per_epoch)
    if kind != "cosine":
        raise ValueError(f"schedule: expected cosine or exponential, found {kind!r}")
    warmup = min(round(warmup_epochs * updates_per_epoch), total_updates // 2)
    if warmup == 0:
        return keras.optimizers.schedules.CosineDecay(peak, total_updates)
    return keras.optimizers.schedules.CosineDecay(
        0.0, total_updates - warmup, warmup_target=peak, warmup_steps=warmup
    )
