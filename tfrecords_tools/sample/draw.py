"""Draws the embedded sample: a small dataset of landmarks in Google Landmarks v2's layout.

Every landmark has an outside and an inside that look nothing alike; only train photos connect
them. The seed determines every byte.
"""

import dataclasses
import functools
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfrecords_tools import runners
from tfrecords_tools.command import cli
from tfrecords_tools.command.typed_settings import checked
from tfrecords_tools.errors import UserError
from tfrecords_tools.progress import Progress
from tfrecords_tools.sample.inside import draw_inside
from tfrecords_tools.sample.layout import write_metadata, write_tars
from tfrecords_tools.sample.other import photo_of_no_landmark
from tfrecords_tools.sample.outside import draw_outside
from tfrecords_tools.sample.photo import photo_of_both, photo_of_inside, photo_of_outside
from tfrecords_tools.sample.plan import SPLITS, Landmark, Photo, SamplePlan, plan_sample
from tfrecords_tools.storage import files, folders, json_shapes

_NOTE = "sample.json"
_PHOTOS_WITHOUT_LANDMARK_A_TASK = 20


@dataclasses.dataclass(frozen=True)
class SampleConfig:
    """Draws the embedded sample dataset in Google Landmarks v2's published layout.

    Attributes:
        output: Folder to create; it is written completely or not at all.
        seed: Seed of the dataset; the same seed gives the same bytes.
        num_landmarks: Number of landmarks.
        photos_per_landmark: Mean number of train photos of a landmark.
        processes: Number of processes that draw; 0 takes one per CPU.
    """

    output: str
    seed: int = 0
    num_landmarks: int = 44
    photos_per_landmark: int = 48
    processes: int = 0

    def __post_init__(self) -> None:
        """Refuses values that no sample can be drawn with."""
        for name, least in (("seed", 0), ("num_landmarks", 2), ("photos_per_landmark", 9)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}: expected at least {least}, found {getattr(self, name)}")
        if self.processes < 0:
            raise ValueError(f"processes: expected 0 or more, found {self.processes}")


def write_sample(config: SampleConfig) -> bool:
    """Draws a sample into a new folder.

    Args:
        config: What to draw and where.

    Returns:
        Whether anything was drawn; False if the same sample exists.

    Raises:
        UserError: If the folder has other contents.
    """
    note = _note(config)
    if _is_there(config.output, note):
        return False
    plan = plan_sample(config.seed, config.num_landmarks, config.photos_per_landmark)
    with folders.atomic_folder(config.output) as folder:
        photos = _draw_all(plan, config.processes)
        for split in SPLITS:
            write_tars(
                folder, split, {p.image_id: photos[p.image_id] for p in plan.of_split(split)}
            )
        write_metadata(folder, plan)
        files.write_json(files.join(folder, _NOTE), note)
    return True


def ensure_sample_shards(folder: str, seed: int = 0) -> str:
    """Draws the sample and builds its shards, unless they exist.

    Args:
        folder: Where sample and shards are kept, each in a folder of its own.
        seed: Seed of the dataset.

    Returns:
        The folder with ``train/``, ``index/`` and ``test/``, for ``--data``.
    """
    from tfrecords_tools.build import BuildConfig, build

    place = files.join(folder, f"sample_{seed}_{_code_digest()[:8]}")
    source, shards = files.join(place, "gldv2"), files.join(place, "shards")
    if not all(files.exists(files.join(shards, split, "dataset_info.json")) for split in SPLITS):
        write_sample(SampleConfig(output=source, seed=seed))
        build(BuildConfig(source=source, output=shards))
    return shards


def _note(config: SampleConfig) -> dict[str, object]:
    return {
        "seed": config.seed,
        "num_landmarks": config.num_landmarks,
        "photos_per_landmark": config.photos_per_landmark,
        "drawn_by": _code_digest(),
    }


@functools.cache
def _code_digest() -> str:
    """A digest of the code that draws; a sample drawn by other code is another sample."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _is_there(output: str, note: dict[str, object]) -> bool:
    if not files.exists(output) or (os.path.isdir(output) and not os.listdir(output)):
        return False
    path = files.join(output, _NOTE)
    if not files.exists(path):
        raise UserError(
            f"{output}: expected a new folder, found one with other files; name another"
        )
    found = json_shapes.read(path, dict[str, Any])
    if found != note:
        differing = ", ".join(key for key in note if found.get(key) != note[key])
        raise UserError(
            f"{output}: holds a sample with another {differing}; delete it or name another folder"
        )
    return True


def _draw_all(plan: SamplePlan, processes: int) -> dict[str, bytes]:
    """The JPEG of every photo of the plan, by image id."""
    tasks = list(_tasks(plan))
    workers = min(processes or os.cpu_count() or 1, len(tasks))
    drawn: dict[str, bytes] = {}
    with Progress("draw the sample", len(plan.photos), "photo") as progress:
        for photos in runners.run_jobs(_draw, tasks, workers):
            drawn |= photos
            progress.update(len(photos))
    return drawn


_Task = tuple[int, Landmark | None, list[Photo]]


def _tasks(plan: SamplePlan) -> Iterator[_Task]:
    """One task per landmark, and equal parts of the photos without a landmark."""
    for landmark in plan.landmarks:
        yield plan.seed, landmark, plan.of_landmark(landmark.number)
    others = plan.of_landmark(-1)
    for start in range(0, len(others), _PHOTOS_WITHOUT_LANDMARK_A_TASK):
        yield plan.seed, None, others[start : start + _PHOTOS_WITHOUT_LANDMARK_A_TASK]


def _draw(task: _Task) -> dict[str, bytes]:
    """Draws a landmark's two scenes once, then takes all of its photos."""
    seed, landmark, photos = task
    if landmark is None:
        return {p.image_id: photo_of_no_landmark(_photo_rng(seed, p)) for p in photos}
    outside = draw_outside(np.random.default_rng([seed, 3, landmark.number]), landmark.outside)
    inside = draw_inside(np.random.default_rng([seed, 4, landmark.number]), landmark.inside)
    drawn = {}
    for photo in photos:
        rng = _photo_rng(seed, photo)
        if photo.view == "outside":
            drawn[photo.image_id] = photo_of_outside(rng, outside)
        elif photo.view == "inside":
            drawn[photo.image_id] = photo_of_inside(rng, inside)
        elif photo.view == "both":
            drawn[photo.image_id] = photo_of_both(rng, outside, inside)
        else:
            drawn[photo.image_id] = photo_of_no_landmark(rng)
    return drawn


def _photo_rng(seed: int, photo: Photo) -> np.random.Generator:
    return np.random.default_rng([seed, 5, int(photo.image_id, 16)])


@dataclasses.dataclass(frozen=True)
class SampleResult:
    """A drawn sample.

    Attributes:
        folder: The folder with train/, index/, test/ and metadata/.
        is_new: Whether it was drawn now; False if the same sample existed.
    """

    folder: str
    is_new: bool


def sample(config: SampleConfig) -> SampleResult:
    """Draws a sample into a new folder; see `write_sample`.

    Raises:
        UserError: If the folder has other contents.
    """
    config = checked(config, SampleConfig)
    return SampleResult(config.output, write_sample(config))


def run_sample(config: SampleConfig) -> None:
    """Draws the sample and prints the result."""
    done = sample(config)
    print(f"{done.folder}: {'drawn' if done.is_new else 'already exists, nothing to do'}")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs ``glrtf sample``."""
    return cli.run(SampleConfig, run_sample, prog="glrtf sample", argv=argv)
