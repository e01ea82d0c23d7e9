"""Models, photos and shards; these load TensorFlow."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from glrtf.api.row_sources import Path
from glrtf.config.data import InputConfig
from glrtf.config.descriptor import DescriptorConfig
from glrtf.config.inference import VIEWS
from tfrecords_tools.errors import UserError

if TYPE_CHECKING:
    import tensorflow as tf

    from glrtf.config.keras_settings import keras
    from glrtf.service.photo_bundle import PhotoBundle
    from glrtf.service.photo_embedder import PhotoEmbedder


def load_embedder(
    model: Path,
    checkpoint: str = "",
    tta: Sequence[str] = VIEWS,
    adapter: Path = "",
    **descriptor: Any,
) -> "PhotoEmbedder":
    """Loads a model to embed photos with; loads TensorFlow.

    Args:
        model: As for `glrtf embed`: an export, a training run's workdir, or another project's
            model.
        checkpoint: Which checkpoint of the workdir; empty takes the last.
        tta: Views to add up, plain and hflip; by default those of `glrtf embed`.
        adapter: Folder of the adapter (`glrtf whiten`, `glrtf adapt`) that maps the rows.
        **descriptor: What the file of another project's model does not define, such as
            ``range="0..1"``; see `glrtf describe`.

    Raises:
        UserError: If it is none of these, or does not load.
    """
    from glrtf.inference.descriptors.required import require_model

    if not tta or not set(tta) <= set(VIEWS):
        raise UserError(f"tta: expected some of {', '.join(VIEWS)}, found {list(tta)}")
    settings = DescriptorConfig(**descriptor)
    require_model("model", os.fspath(model), checkpoint, descriptor=settings)
    from glrtf.service.photo_embedder import PhotoEmbedder

    return PhotoEmbedder(
        os.fspath(model), checkpoint, tta, descriptor=settings, adapter=os.fspath(adapter)
    )


def open_bundle(folder: Path, verify: Literal["once", "always"] = "once") -> "PhotoBundle":
    """Opens a bundle to search its index with photos; loads its models.

    Args:
        folder: What `glrtf bundle` wrote.
        verify: ``once`` skips files that were compared with their digests before and stand
            unchanged; ``always`` compares all.

    Raises:
        UserError: If it is not whole, or a model does not load here.
    """
    from glrtf.config.service import SearcherConfig
    from glrtf.service import required

    config = SearcherConfig(bundle=os.fspath(folder), verify=verify)
    required.require_inputs(config)
    from glrtf.service.photo_bundle import PhotoBundle

    return PhotoBundle(config)


def build_model(
    backbone: str,
    size: int | None,
    *,
    embedding_dim: int = 512,
    pooling: Literal["avg", "gem"] = "avg",
    dropout: float = 0.2,
    weights: str = "none",
    seed: int = 0,
) -> "keras.Model":
    """Builds an embedding model; loads TensorFlow.

    Args:
        backbone: v2s, v2m, v2l, v2xl, or v2b0 to v2b3.
        size: Side of the square input in pixels; None leaves it open.
        embedding_dim: Length of a row.
        pooling: avg, or gem with a trainable power.
        dropout: Rate before the embedding layer.
        weights: Of the backbone: none, imagenet, or a file.
        seed: Of the initial weights.

    Returns:
        A `keras.Model`: RGB in [0, 1] (batch, size, size, 3) -> unit rows (batch, embedding_dim).

    Raises:
        UserError: If the file of weights is missing or from another model.
        ValueError: If there is no backbone of that name.
    """
    from glrtf.config.backbone_names import canonical
    from glrtf.models.retrieval_model import build_embedding_model
    from glrtf.models.weights import load_backbone

    backbone = canonical(backbone)
    model = build_embedding_model(
        backbone, size, embedding_dim=embedding_dim, pooling=pooling, dropout=dropout, seed=seed
    )
    load_backbone(model.get_layer(f"backbone_{backbone}"), backbone, weights)
    return model


def read_shards(
    data: Path,
    split: str = "train",
    *,
    size: int,
    batch_size: int,
    training: bool = False,
    seed: int = 0,
    config: "InputConfig | None" = None,
) -> "tf.data.Dataset":
    """Reads built shards as a ``tf.data.Dataset``; loads TensorFlow.

    Args:
        data: Folder of built shards, a path or gs://.
        split: train, index, test or validation.
        size: Side of the images in pixels.
        batch_size: Images of a batch.
        training: Endless shuffled batches (images uint8 (b, size, size, 3), labels int32 (b,)).
            Otherwise one pass in order, of mappings with ``image``, ``image_id`` (b,) string and
            ``label`` (b,) int32, -1 if there is none.
        seed: Determines the order, when training.
        config: How shards are read, when training.

    Raises:
        UserError: If there are no shards of that split.
    """
    from glrtf.data import input_pipeline
    from glrtf.data.shards import open_shards
    from tfrecords_tools.command.typed_settings import checked

    if config is not None:
        config = checked(config, InputConfig)
    shards = open_shards(os.fspath(data), split)
    if not training:
        return input_pipeline.eval_batches(shards, size=size, batch_size=batch_size)
    return input_pipeline.train_batches(
        shards, size=size, batch_size=batch_size, seed=seed, config=config
    )
