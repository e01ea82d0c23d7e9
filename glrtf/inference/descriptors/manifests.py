"""Combines and checks descriptor.yaml, flags and the model's own file."""

import dataclasses
import os
import tempfile
from collections.abc import Mapping
from typing import Any, Literal

import yaml

from glrtf.config.descriptor import DescriptorConfig, Filter, Manifest, Pooling, ResizeRule
from glrtf.data.input_spec import ForeignSpec
from glrtf.inference.descriptors.raw_models import RawModel, TensorInfo, chosen
from tfrecords_tools.command import cli, expected
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files, json_shapes

MANIFEST_NAME = "descriptor.yaml"
_FLOATS = ("float32", "float16")


@dataclasses.dataclass(frozen=True)
class Preparation:
    """A complete manifest; see `glrtf.config.descriptor.Manifest`."""

    size: int
    input: str
    output: str
    layout: Literal["nhwc", "nchw"]
    dtype: str
    range: str | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize: ResizeRule = "squash"
    crop: float = 1.0
    filter: Filter = "bilinear"
    antialias: bool = True
    channels: Literal["rgb", "bgr"] = "rgb"
    stride: int = 32
    pooling: Pooling = "none"
    gem_power: float = 3.0
    l2: bool = True
    signature: str | None = None

    @property
    def spec(self) -> ForeignSpec:
        """How a photo becomes the model's input."""
        return ForeignSpec(
            self.size,
            antialias=self.antialias,
            resize=self.resize,
            filter=self.filter,
            crop=self.crop,
        )

    def as_json(self) -> dict[str, Any]:
        """What an embedding set and the digest record, JSON values."""
        values = dataclasses.asdict(self)
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
            if value not in (None, ())
        }


def manifest_path(model: str, config: DescriptorConfig) -> str:
    """Where a model's manifest is; empty for none."""
    if config.manifest:
        expected.file("--descriptor.manifest", config.manifest)
        return config.manifest
    candidates = [f"{model.rstrip('/')}.{MANIFEST_NAME}", default_path(model)]
    return next((path for path in candidates if path and files.exists(path)), "")


def default_path(model: str) -> str:
    """descriptor.yaml in a model's folder; MODEL.descriptor.yaml next to anything else."""
    if not files.exists(model):
        return f"{model.replace('/', '_')}.{MANIFEST_NAME}"
    is_file = model.endswith((".onnx", ".tflite", ".keras"))
    return files.join(os.path.dirname(model) or "." if is_file else model, MANIFEST_NAME)


def read_manifest(path: str) -> Manifest:
    """Reads a manifest's YAML.

    Raises:
        UserError: Naming file and setting, if it is not a manifest.
    """
    content = files.read_bytes(path)
    with tempfile.NamedTemporaryFile(suffix=".yaml") as local:  # The parser cannot read gs://.
        local.write(content)
        local.flush()
        try:
            return cli.parse(Manifest, [f"--config={local.name}"], prog="descriptor")
        except UserError as error:
            text = str(error).replace(local.name, path)
            raise UserError(text if path in text else f"{path}: {text}") from None


def merged(
    model: str, config: DescriptorConfig, recorded: Mapping[str, Any] | None = None
) -> Manifest:
    """A model's settings from the flags, else the manifest, else an embedding set.

    Args:
        model: Its name.
        config: The flags.
        recorded: The preparation that a set was made with; used if there is no manifest and no
            flag.
    """
    path = manifest_path(model, config)
    from_file = read_manifest(path).given if path else {}
    flags = {name: value for name, value in config.given.items() if name != "manifest"}
    if not path and not flags and recorded:
        return _from_record(recorded)
    try:
        return Manifest(**_overridden(from_file, flags))
    except ValueError as error:
        raise UserError(f"--descriptor.{error}") from None


def _overridden(settings: Mapping[str, Any], by: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with overrides; range replaces mean and std, and the reverse."""
    hides = {"range": ("mean", "std"), "mean": ("range",)}
    hidden = {other for name in by for other in hides.get(name, ())}
    return {**{n: value for n, value in settings.items() if n not in hidden}, **by}


def _from_record(recorded: Mapping[str, Any]) -> Manifest:
    json_shapes.require("the index's preparation", recorded, Manifest, "embed the set again")
    known = {field.name for field in dataclasses.fields(Manifest)}
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in recorded.items()
        if name in known
    }
    return Manifest(**values)


def complete(model: str, raw: RawModel, manifest: Manifest) -> Preparation:
    """Adds what the model's file defines; refuses settings that are missing or contradict it.

    Args:
        model: Its name, for messages.
        raw: The loaded model.
        manifest: The settings from flags and manifest.

    Raises:
        UserError: Naming the flag that is missing or wrong.
    """
    said = _overridden(raw.suggested, manifest.given)
    image = chosen(model, raw.inputs, said.pop("input", None), "input", "--descriptor.input")
    output = chosen(model, raw.outputs, said.pop("output", None), "output", "--descriptor.output")
    layout, sides = _layout_and_sides(model, image, said.pop("layout", None))
    size = _size(model, sides, said.pop("size", None), said.get("resize"))
    is_scaled = any(said.get(name) for name in ("range", "mean"))
    dtype = _dtype(model, image, said.pop("dtype", None), is_scaled)
    mean, std = tuple(said.pop("mean", ())), tuple(said.pop("std", ()))
    values = said.pop("range", None)
    if dtype == "uint8" and (mean or values not in (None, "0..255")):
        raise UserError(
            f"{model}: {'mean' if mean else 'range'}: expected none for an input of uint8, which"
            f" takes 0..255, found {mean or values}; leave it out"
        )
    if dtype in _FLOATS and not mean and values is None:
        raise UserError(
            f"{model}: expected the range of its input {image}, which the file does not say; give"
            " --descriptor.range 0..1 (or -1..1, 0..255), or --descriptor.mean and"
            " --descriptor.std"
        )
    return Preparation(size, image.name, output.name, layout, dtype, values, mean, std, **said)


def _layout_and_sides(
    model: str, image: TensorInfo, wanted: Any
) -> tuple[Literal["nhwc", "nchw"], tuple[int | None, int | None]]:
    shape = image.shape
    if shape is None:
        return wanted or "nhwc", (None, None)
    if len(shape) != 4:
        raise UserError(
            f"{model}: expected an input of images (n, h, w, 3) or (n, 3, h, w), found {image};"
            " choose another with --descriptor.input"
        )
    fitting = {"nhwc": shape[3] in (3, None), "nchw": shape[1] in (3, None)}
    if not any(fitting.values()):
        raise UserError(f"{model}: expected an input of three channels, found {image}")
    if wanted is not None and not fitting[wanted]:
        raise UserError(
            f"{model}: layout: expected {'nchw' if wanted == 'nhwc' else 'nhwc'} as its input"
            f" {image} says, found {wanted}"
        )
    places: tuple[tuple[Literal["nhwc", "nchw"], int], ...] = (("nhwc", 3), ("nchw", 1))
    known = [name for name, axis in places if shape[axis] == 3]
    if wanted is None and len(known) != 1:
        raise UserError(
            f"{model}: expected the layout of its input {image}, which the file does not say; give"
            " --descriptor.layout nhwc or nchw"
        )
    layout: Literal["nhwc", "nchw"] = wanted or known[0]
    return layout, (shape[1:3] if layout == "nhwc" else shape[2:4])


def _size(
    model: str, sides: tuple[int | None, int | None], wanted: int | None, resize: str | None
) -> int:
    known = {side for side in sides if side is not None}
    if len(known) > 1:
        raise UserError(
            f"{model}: expected a square input, found {sides[0]} x {sides[1]} pixels; export the"
            " model with a square or an open size"
        )
    if known and resize == "keep":
        raise UserError(
            f"{model}: resize: expected squash, crop or pad for an input of {sides[0]} pixels,"
            " which keep needs open, found keep"
        )
    if wanted is None and not known:
        raise UserError(
            f"{model}: expected the side of its input in pixels, which the file leaves open; give"
            " --descriptor.size"
        )
    if wanted is not None and known and wanted not in known:
        raise UserError(
            f"{model}: size: expected {min(known)} as its input has, found {wanted}; leave it out"
        )
    return wanted or min(known)


def _dtype(model: str, image: TensorInfo, wanted: str | None, is_scaled: bool) -> str:
    if image.dtype and image.dtype not in ("uint8", *_FLOATS):
        raise UserError(
            f"{model}: expected an input of uint8, float32 or float16, found {image}; choose"
            " another with --descriptor.input"
        )
    if wanted and image.dtype and wanted != image.dtype:
        raise UserError(
            f"{model}: dtype: expected {image.dtype} as its input {image} says, found {wanted}"
        )
    return wanted or image.dtype or ("float32" if is_scaled else "uint8")


def to_yaml(manifest: dict[str, Any]) -> str:
    """A manifest's text."""
    return yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True)
