"""Plots: the learning rate schedule, a grid of augmented photos."""

import numpy as np

from glrtf.config.keras_settings import keras
from glrtf.training.plan import RunPlan
from tfrecords_tools.errors import optional_package
from tfrecords_tools.storage import files

_POINTS = 1000


def plot_schedule(
    schedule: keras.optimizers.schedules.LearningRateSchedule, plan: RunPlan, path: str
) -> None:
    """Draws the learning rate over epochs as a PNG.

    Raises:
        UserError: If Matplotlib is not installed.
    """
    optional_package("matplotlib", "--plot_schedule", "Matplotlib", "plot")
    from matplotlib.figure import Figure

    updates = np.unique(np.linspace(0, plan.total_updates, _POINTS).astype(int))
    rates = [float(schedule(update)) for update in updates]
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.add_subplot(
        xlabel="epoch", ylabel="learning rate", title=f"{plan.total_updates} updates"
    )
    axes.plot([plan.epoch(update) for update in updates], rates)
    for stage in plan.stages[1:]:
        axes.axvline(plan.epoch(stage.first), linestyle=":", color="grey")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    with files.atomic_path(path) as temporary, open(temporary, "wb") as file:
        figure.savefig(file, format="png", dpi=120)


def grid(images: np.ndarray, columns: int = 4) -> np.ndarray:
    """Puts equal pictures side by side.

    Args:
        images: `(count, height, width, 3)` float in [0, 1].
        columns: How many in a row.

    Returns:
        `(1, rows · height, columns · width, 3)`; places left over are black.
    """
    count, height, width, channels = images.shape
    rows = -(-count // columns)
    filled = np.zeros((rows * columns, height, width, channels), images.dtype)
    filled[:count] = images
    tiles = filled.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    return tiles.reshape(1, rows * height, columns * width, channels)
