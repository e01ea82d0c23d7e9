"""The settings of a build."""

import dataclasses
import re
from typing import Literal

from tfrecords_tools.command.near_words import did_you_mean, separate_with_spaces
from tfrecords_tools.gldv2 import SPLITS
from tfrecords_tools.images import ImageSettings

_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}


@dataclasses.dataclass
class BuildConfig:
    """Build TFRecord shards from the published Google Landmarks v2 files.

    Attributes:
        source: Folder with train/, index/, test/ (tars images_NNN.tar or
            extracted files a/b/c/<id>.jpg), metadata/ and, if it exists, md5sum/.
        output: Folder for the shards; each split gets one below it.
        splits: Which of train, index, test to build.
        labels: Labels of train: full (train.csv), clean (train_clean.csv) or a CSV id,landmark_id.
        shard_size: The approximate size of a shard's images, such as 200MB.
        num_shards: The number of shards of a split; overrides shard_size.
        validation_fraction: Share of each landmark's train images that goes to a separate fold,
            output/validation; one image of each stays in train.
        max_side: Resize longer images to this many pixels.
        min_side: Reject images with a shorter side, pixels.
        max_pixels: Reject images with more pixels; one with 16 bits per sample counts as two.
        quality: JPEG quality of images that must be re-encoded.
        verify: header reads markers and tables, and decodes only what looks damaged; decode
            decodes every image.
        check_md5: Compare tars with their published MD5 digests where present.
        bad_tars: fail stops at damaged tars, naming them; skip builds without them.
        only_missing: Add tars that were missing in a finished build and have been fetched again;
            the other tars are no longer needed.
        workers: Processes; by default one for each processor.
        task_index: The number of this machine, from 0.
        num_tasks: How many machines share the work; each writes every num_tasks-th shard.
        runner: local runs processes here; beam passes the shards to Apache Beam.
        beam_options: Options of Apache Beam, such as runner=DataflowRunner or project=NAME;
            without a runner, processes of this machine (FnApiRunner).
    """

    source: str
    output: str
    splits: list[str] = dataclasses.field(default_factory=lambda: list(SPLITS))
    labels: str = "full"
    shard_size: str = "200MB"
    num_shards: int | None = None
    validation_fraction: float = 0.0
    max_side: int | None = None
    min_side: int = 16
    max_pixels: int = 64_000_000
    quality: int = 95
    verify: Literal["header", "decode"] = "header"
    check_md5: bool = True
    bad_tars: Literal["fail", "skip"] = "fail"
    only_missing: bool = False
    workers: int | None = None
    task_index: int = 0
    num_tasks: int = 1
    runner: Literal["local", "beam"] = "local"
    beam_options: list[str] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        self.splits = list(self.splits)
        for split in self.splits:
            if split not in SPLITS:
                raise ValueError(
                    f"--splits: expected train, index or test, found {split!r}"
                    f"{separate_with_spaces([split]) or did_you_mean(split, SPLITS)}"
                )
        if not self.splits or len(set(self.splits)) != len(self.splits):
            raise ValueError(f"--splits: expected each split once, found {self.splits}")
        parse_size(self.shard_size)
        _check("validation_fraction", self.validation_fraction, 0, 0.999)
        _check("num_shards", self.num_shards, 1, 100_000)
        _check("max_side", self.max_side, 16, 65_500)
        _check("min_side", self.min_side, 1, 65_500)
        _check("max_pixels", self.max_pixels, 1, 1 << 32)
        _check("quality", self.quality, 1, 95)
        _check("workers", self.workers, 1, 4096)
        _check("num_tasks", self.num_tasks, 1, 100_000)
        _check("task_index", self.task_index, 0, self.num_tasks - 1)

    def image_settings(self) -> ImageSettings:
        """The requirements on images."""
        return ImageSettings(
            self.verify, self.max_side, self.min_side, self.max_pixels, self.quality
        )


def _check(name: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not low <= value <= high:
        raise ValueError(f"--{name}: expected {low} to {high}, found {value}")


def parse_size(text: str) -> int:
    """Bytes in a size such as ``200MB`` (decimal units).

    Raises:
        ValueError: If it is not a size, or is 0.
    """
    found = re.fullmatch(r"(\d+)\s*(|KB|MB|GB)", text.strip(), re.IGNORECASE)
    size = int(found[1]) * _UNITS[found[2].upper()] if found else 0
    if not size:
        raise ValueError(f"--shard_size: expected a size such as 200MB, found {text!r}")
    return size
