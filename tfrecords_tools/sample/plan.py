"""The plan of the sample: landmarks, ids, splits, and what each photo shows."""

import dataclasses
import hashlib

import numpy as np

from tfrecords_tools.sample import inside as sample_inside
from tfrecords_tools.sample import outside as sample_outside

SPLITS = ("train", "index", "test")
VIEWS = ("outside", "inside", "both", "none")
RARE_PHOTOS = 3
"""Number of train photos of a landmark that is too rare for ``train_clean.csv``."""


@dataclasses.dataclass(frozen=True)
class Landmark:
    """A landmark.

    Attributes:
        number: Its position in the plan, from 0.
        landmark_id: Its id in ``train.csv`` and the recognition solution.
        index_landmark_id: Its id in ``index_image_to_landmark.csv``, which numbers landmarks
            differently.
        outside: A kind in `outside.KINDS`.
        inside: A kind in `inside.KINDS`, chosen independently of the outside.
        clean: Whether ``train_clean.csv`` lists it.
    """

    number: int
    landmark_id: int
    index_landmark_id: int
    outside: str
    inside: str
    clean: bool


@dataclasses.dataclass(frozen=True)
class Photo:
    """A photo to draw.

    Attributes:
        image_id: 16 hexadecimal digits.
        split: One of `SPLITS`.
        landmark: The landmark's number; -1 for none.
        view: One of `VIEWS`. A train photo with a landmark and the view ``none`` is a wrong label
            in ``train.csv``; ``train_clean.csv`` leaves it out.
        public: For test photos, whether the solutions' Usage is ``Public``.
    """

    image_id: str
    split: str
    landmark: int
    view: str
    public: bool = False


@dataclasses.dataclass(frozen=True)
class SamplePlan:
    """All landmarks and photos of a sample."""

    seed: int
    landmarks: tuple[Landmark, ...]
    photos: tuple[Photo, ...]

    def of_landmark(self, number: int) -> list[Photo]:
        """The photos of a landmark, in the plan's order; -1 for those without one."""
        return [photo for photo in self.photos if photo.landmark == number]

    def of_split(self, split: str) -> list[Photo]:
        """The photos of a split, by image id."""
        return sorted((p for p in self.photos if p.split == split), key=lambda p: p.image_id)


def plan_sample(seed: int, num_landmarks: int, photos_per_landmark: int) -> SamplePlan:
    """Plans a sample without drawing anything.

    Every tenth landmark is rare: it has three train photos and is not in ``train_clean.csv``. For
    about seven index photos and four test photos with a landmark, there is one without.

    Args:
        seed: Seed of the dataset.
        num_landmarks: Number of landmarks.
        photos_per_landmark: Mean number of train photos of a landmark that is not rare.
    """
    landmarks = _landmarks(seed, num_landmarks)
    shown = [
        (split, landmark.number, view)
        for landmark in landmarks
        for split, view in _views(seed, landmark, photos_per_landmark)
    ]
    shown += [("index", -1, "none")] * (num_landmarks * 5 // 4)
    shown += [("test", -1, "none")] * (num_landmarks * 5 // 4)
    rng = np.random.default_rng([seed, 2])
    photos = tuple(
        Photo(_image_id(seed, number), split, landmark, view, bool(rng.random() < 0.36))
        for number, (split, landmark, view) in enumerate(shown)
    )
    return SamplePlan(seed, landmarks, photos)


def _landmarks(seed: int, count: int) -> tuple[Landmark, ...]:
    """Draws landmark ids; they are sparse, and those of the index differ from those of train."""
    rng = np.random.default_rng([seed, 0])
    ids = rng.choice(203_094, count, replace=False)
    index_ids = rng.choice(101_302, count, replace=False)
    outsides, insides = list(sample_outside.KINDS), list(sample_inside.KINDS)
    order = rng.permutation(count)
    return tuple(
        Landmark(
            number=number,
            landmark_id=int(ids[number]),
            index_landmark_id=int(index_ids[number]),
            outside=outsides[number % len(outsides)],
            inside=insides[int(order[number]) % len(insides)],
            clean=number % 10 != 9,
        )
        for number in range(count)
    )


def _views(seed: int, landmark: Landmark, mean_photos: int) -> list[tuple[str, str]]:
    """The views of a landmark's photos, by split."""
    rng = np.random.default_rng([seed, 1, landmark.number])
    if not landmark.clean:
        train = ["outside", "inside", "both"][:RARE_PHOTOS]
    else:
        count = max(9, round(mean_photos * float(rng.choice([0.6, 0.8, 1.0, 1.6]))))
        train = ["outside"] * 4 + ["inside"] * 4 + ["both"]
        train += [str(v) for v in rng.choice(VIEWS, count - len(train), p=[0.46, 0.39, 0.11, 0.04])]
    index = ["outside"] * int(rng.integers(2, 4)) + ["inside"] * int(rng.integers(5, 8))
    test = ["outside"] * int(rng.integers(3, 5)) + ["inside"]
    return [
        *(("train", view) for view in train),
        *(("index", view) for view in index),
        *(("test", view) for view in test),
    ]


def _image_id(seed: int, number: int) -> str:
    return hashlib.blake2b(f"glrtf sample {seed} {number}".encode(), digest_size=8).hexdigest()
