"""The description of an export of this project: how photos are prepared, and its digest."""

import re
from typing import NotRequired, TypedDict

from glrtf.data.input_spec import InputSpec
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import json_shapes

# Longest side of an image in pixels: no JPEG is longer.
_LONGEST_SIDE = 65_535


class ExportInfo(TypedDict):
    """The values read from glrtf_export.json, or from the JSON next to an ONNX or TFLite file."""

    size: int
    dimension: int
    max_side: NotRequired[int | None]
    antialias: NotRequired[bool]
    model_digest: str
    files: NotRequired[dict[str, str]]


def read(path: str) -> ExportInfo:
    """Reads the description of an export.

    Raises:
        UserError: If it is missing or damaged, or has invalid values.
    """
    info: ExportInfo = json_shapes.read(path, ExportInfo, "export it again")
    sides = range(1, _LONGEST_SIDE + 1)
    max_side, digest = info.get("max_side"), info["model_digest"]
    sound = {
        f"size: expected 1 to {_LONGEST_SIDE} pixels, found {info['size']}": info["size"] in sides,
        f"max_side: expected null or 1 to {_LONGEST_SIDE} pixels, found {max_side}": (
            max_side is None or max_side in sides
        ),
        f"model_digest: expected 64 hexadecimal digits, found {digest!r}": (
            re.fullmatch("[0-9a-f]{64}", digest) is not None
        ),
    }
    if problem := next((text for text, is_sound in sound.items() if not is_sound), ""):
        raise UserError(f"{path}: {problem}; export it again")
    return info


def spec_of(info: ExportInfo) -> InputSpec:
    """How a photo becomes the export's input."""
    # Exports of earlier versions do not record it: they do not shrink first.
    return InputSpec(info["size"], info.get("max_side"), info.get("antialias", False))
