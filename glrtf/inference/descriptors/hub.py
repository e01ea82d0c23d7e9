"""KerasHub's presets as descriptors."""

import hashlib
from typing import Any

from glrtf.inference.descriptors.raw_models import RawModel
from glrtf.inference.descriptors.tensorflow_models import of_keras
from glrtf.inference.weights_digest import weights_digest
from glrtf.models.hub import image_converter, input_scale, load_preset


def load(model: str) -> RawModel:
    """Loads keras_hub:PRESET; KerasHub downloads a preset once; a local folder works too.

    Of a network of images and text, such as SigLIP's, the vision encoder is the model.

    Raises:
        UserError: If there is no preset of that name, or no network to download it.
    """
    whole = load_preset(model)
    backbone = getattr(whole, "vision_encoder", whole)
    named = type(backbone).__name__ + weights_digest(backbone)
    digest = hashlib.sha256(named.encode()).hexdigest()
    suggested = _pooling(backbone) if backbone is whole else {}
    return of_keras(backbone, digest, suggested | _preparation(model))


def _pooling(backbone: Any) -> dict[str, Any]:
    """By the shape of the output; vision encoders of text and images may have no class token."""
    rank = 0 if isinstance(backbone.output, dict) else len(backbone.output.shape)
    return {3: {"pooling": "cls"}, 4: {"pooling": "mean"}}.get(rank, {})


def _preparation(model: str) -> dict[str, Any]:
    """Size, resize and range from the preset's own image converter."""
    converter, found = image_converter(model), input_scale(model)
    if converter is None or found is None:
        return {}
    suggested = _resize(converter)
    if converter.image_size and converter.image_size[0] == converter.image_size[1]:
        suggested["size"] = int(converter.image_size[0])
    # value * scale + offset = (value / 255 - mean) / std
    std = [1 / (255 * scale) for scale in found[0]]
    mean = [-offset * each for offset, each in zip(found[1], std, strict=True)]
    if (mean, std) == ([0.0] * 3, [1 / 255] * 3):
        return {**suggested, "range": "0..255"}
    return {**suggested, "mean": mean, "std": std}


def _resize(converter: Any) -> dict[str, Any]:
    """How it resizes; it crops to the input's aspect and does not antialias unless it says so."""
    rule = "squash"
    if getattr(converter, "crop_to_aspect_ratio", False):
        rule = "crop"
    elif getattr(converter, "pad_to_aspect_ratio", False):
        rule = "pad"
    suggested: dict[str, Any] = {"resize": rule}
    kind = {"lanczos3": "lanczos"}.get(converter.interpolation, converter.interpolation)
    if kind in ("nearest", "bilinear", "bicubic", "lanczos"):
        suggested["filter"] = kind
    return {**suggested, "antialias": bool(converter.antialias)}
