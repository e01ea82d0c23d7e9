"""Loggers: CSV, TensorBoard, Weights & Biases."""

import csv
import io
import os
import shutil
import tempfile
from collections.abc import Mapping
from typing import Protocol

import numpy as np

from glrtf.training.event_files import EventFile
from tfrecords_tools.errors import UserError, optional_package
from tfrecords_tools.storage import csv_files, files


class Logger(Protocol):
    """Records a run's metrics."""

    def scalars(self, update: int, values: Mapping[str, float]) -> None:
        """Records metrics at an update; `images` among them is the number of images seen."""

    def images(self, update: int, name: str, images: np.ndarray) -> None:
        """Records pictures: `(count, height, width, 3)` float in [0, 1]."""

    def close(self) -> None:
        """Writes everything that is still buffered."""


class CsvLogger:
    """One line an epoch (or other interval) in `logs/<name>.csv`, completely rewritten each time.

    Lines of an earlier start of the run are kept up to where it resumes, by the images seen:
    on another number of replicas the updates are counted differently.

    Args:
        path: The file.
        start_images: Images seen when the run resumes; later lines are dropped.
        num_examples: Images of an epoch, to place lines that only name their epoch.
    """

    def __init__(self, path: str, start_images: int = 0, num_examples: int = 0) -> None:
        self._path = path
        self._rows: list[dict[str, str]] = []
        if files.exists(path):
            try:
                rows = csv.DictReader(io.StringIO(files.read_bytes(path).decode()), restval="")
                self._rows = [row for row in rows if _images_of(row, num_examples) <= start_images]
            except (ValueError, KeyError, csv.Error) as error:
                raise UserError(
                    f"{path}: damaged: not the log of a run ({error}); delete it to start a new one"
                ) from None

    def scalars(self, update: int, values: Mapping[str, float]) -> None:
        """Adds a line and writes the file."""
        self._rows.append(
            {"update": str(update), **{name: _text(value) for name, value in values.items()}}
        )
        names = list(dict.fromkeys(name for row in self._rows for name in row))
        lines = ([row.get(name, "") for name in names] for row in self._rows)
        csv_files.write(self._path, names, lines)

    def images(self, update: int, name: str, images: np.ndarray) -> None:
        """A CSV file has no pictures."""

    def close(self) -> None:
        """Nothing is buffered."""


def _images_of(row: Mapping[str, str], num_examples: int) -> float:
    """Images seen at a line of the log; lines of earlier versions have only their epoch."""
    int(row["update"])
    if row.get("images"):
        return int(row["images"])
    # The epoch was rounded to four digits.
    return (float(row["epoch"]) - 5e-5) * num_examples


def _text(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def _step(update: int, values: Mapping[str, float]) -> int:
    """The step of a point: the images seen, which never decrease, if they are known."""
    return int(values.get("images", update))


class TensorBoardLogger:
    """Event files for TensorBoard in a folder, local or gs://; steps are images seen.

    On gs:// the whole event file is uploaded after each call.
    """

    def __init__(self, folder: str) -> None:
        self._remote = folder if files.is_remote(folder) else ""
        self._folder = tempfile.mkdtemp(prefix="glrtf-logs-") if self._remote else folder
        self._writer = EventFile(self._folder)

    def scalars(self, update: int, values: Mapping[str, float]) -> None:
        """Adds one point to each figure's curve."""
        self._writer.scalars(_step(update, values), values)
        self._upload()

    def images(self, update: int, name: str, images: np.ndarray) -> None:
        """Adds pictures."""
        self._writer.images(update, name, images)
        self._upload()

    def close(self) -> None:
        """Writes out the event file."""
        self._upload()
        self._writer.close()
        if self._remote:
            shutil.rmtree(self._folder)

    def _upload(self) -> None:
        if not self._remote:
            return
        self._writer.flush()
        for name in os.listdir(self._folder):
            with open(os.path.join(self._folder, name), "rb") as file:
                files.write_bytes(files.join(self._remote, name), file.read())


class WandbLogger:
    """Logs to Weights & Biases; needs its package.

    Raises:
        UserError: If it is not.
    """

    def __init__(self, project: str, name: str, config: Mapping[str, object]) -> None:
        wandb = optional_package("wandb", "--wandb_project", "wandb", "wandb")
        self._wandb = wandb
        self._run = wandb.init(project=project, name=name, config=dict(config), resume="allow")

    def scalars(self, update: int, values: Mapping[str, float]) -> None:
        """Adds one point to each figure's curve."""
        self._run.log(dict(values), step=_step(update, values))

    def images(self, update: int, name: str, images: np.ndarray) -> None:
        """Adds pictures."""
        self._run.log({name: [self._wandb.Image(image) for image in images]}, step=update)

    def close(self) -> None:
        """Ends the run."""
        self._run.finish()
