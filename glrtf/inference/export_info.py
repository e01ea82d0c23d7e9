"""What stands next to an export of this project: how photos are prepared, and its digest."""

from typing import NotRequired, TypedDict

from glrtf.data.input_spec import InputSpec


class ExportInfo(TypedDict):
    """What is read of glrtf_export.json, and of the JSON next to an ONNX or TFLite file."""

    size: int
    dimension: int
    max_side: NotRequired[int | None]
    antialias: NotRequired[bool]
    model_digest: str
    files: NotRequired[dict[str, str]]


def spec_of(info: ExportInfo) -> InputSpec:
    """How a photo becomes the export's input."""
    # Exports of earlier versions say nothing: they resize at once.
    return InputSpec(info["size"], info.get("max_side") or None, info.get("antialias", False))
