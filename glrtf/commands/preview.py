"""A contact sheet of training images: ``glrtf preview --data SHARDS``."""

import dataclasses
import os
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from glrtf.config.data import PreviewConfig
from tfrecords_tools.command import cli, expected, native_messages
from tfrecords_tools.command.typed_settings import checked
from tfrecords_tools.storage import files

_GAP = 4
_HEADER = 16
# XLA's notes about compiling; code that `TF_CPP_MIN_LOG_LEVEL` does not affect writes them.
_NOTES = (b"I0000 ", b"WARNING: All log messages before absl::InitializeLog()")


@dataclasses.dataclass(frozen=True)
class PreviewResult:
    """Augmented training images.

    Attributes:
        path: The contact sheet.
        images: (photos, 1 + steps, size, size, 3) uint8: each photo before, then at each step.
    """

    path: str
    images: "npt.NDArray[np.uint8]"


def contact_sheet(rows: np.ndarray, titles: Sequence[str]) -> np.ndarray:
    """Arranges images in rows under column titles, on white.

    Args:
        rows: uint8 (photos, columns, size, size, 3).
        titles: One for each column.

    Returns:
        uint8 (height, width, 3).
    """
    from PIL import Image, ImageDraw

    photos, columns, size = rows.shape[:3]
    step = size + _GAP
    sheet = Image.new("RGB", (columns * step + _GAP, _HEADER + photos * step), "white")
    pen = ImageDraw.Draw(sheet)
    for column, title in enumerate(titles):
        pen.text((_GAP + column * step, 2), title, fill="black")
        for row in range(photos):
            image = Image.fromarray(rows[row, column])
            sheet.paste(image, (_GAP + column * step, _HEADER + row * step))
    return np.asarray(sheet)


def augmented(config: PreviewConfig) -> np.ndarray:
    """Reads photos and augments them as the training step does.

    Returns:
        uint8 (photos, 1 + steps, size, size, 3): each photo before, then at each step.
    """
    import tensorflow as tf

    from glrtf.data.augment import augment, step_seed
    from glrtf.data.input_pipeline import float_images, plain_errors, train_batches
    from glrtf.data.mixing import mix
    from glrtf.data.shards import open_shards

    shard_set = open_shards(config.data, config.split)
    count = min(config.photos, shard_set.num_examples)
    batches = train_batches(
        shard_set, size=config.size, batch_size=count, seed=config.seed, config=config.input
    )
    with plain_errors():
        images, _ = next(iter(batches))
    before = float_images(images, config.size, config.input)

    def varied(seed: tf.Tensor) -> tf.Tensor:
        images = augment(before, seed, config.augment)
        return mix(images, seed, config.augment)[0] if config.augment.mixes else images

    # Compiled, as in training: the generator's draws depend on it.
    compiled = tf.function(varied, autograph=False, jit_compile=True)
    with native_messages.dropped(*_NOTES):
        after = [compiled(step_seed(config.seed, step)) for step in range(config.steps)]
    return tf.cast(tf.round(255 * tf.stack([before, *after], axis=1)), tf.uint8).numpy()


def preview(config: PreviewConfig) -> PreviewResult:
    """Draws a contact sheet of training images as training sees them; loads TensorFlow.

    Raises:
        UserError: If there are no such shards, or the output is not a new file.
    """
    config = checked(config, PreviewConfig)
    from PIL import Image

    from glrtf.data.shards import require_shards

    expected.folder("--data", config.data)
    require_shards(config.data, config.split)
    expected.new_file("--output", config.output, config)
    rows = augmented(config)
    titles = ["before", *(f"step {step}" for step in range(config.steps))]
    kind = os.path.splitext(config.output)[1].lower().replace("jpg", "jpeg")[1:]
    with files.atomic_path(config.output) as temporary:
        Image.fromarray(contact_sheet(rows, titles)).save(temporary, kind, quality=92)
    return PreviewResult(config.output, rows)


def run_preview(config: PreviewConfig) -> None:
    """The command."""
    done = preview(config)
    print(f"{done.path}: {len(done.images)} photos, {config.steps} augmented versions of each")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    return cli.run(PreviewConfig, run_preview, argv=argv)
