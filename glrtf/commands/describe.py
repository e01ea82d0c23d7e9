"""Shows a model's inputs and outputs: ``glrtf describe MODEL``."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from glrtf.config.descriptor import DescribeConfig
from tfrecords_tools.command import cli, expected
from tfrecords_tools.command.typed_settings import checked
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from glrtf.inference.embedder import Embedder


@dataclasses.dataclass(frozen=True)
class DescribeResult:
    """A model's inputs and outputs.

    Attributes:
        model: Its name in the settings.
        kind: Its kind, such as ``onnx``.
        manifest: The drafted manifest as YAML; empty for a model of glrtf, which needs none.
        dimension: Values of a row.
        digest: Of the model and its manifest.
        row: (dimension,) float32, the photo's embedding; None without a photo.
    """

    model: str
    kind: str
    manifest: str
    dimension: int
    digest: str
    row: "npt.NDArray[np.float32] | None"


def run_describe(config: DescribeConfig) -> None:
    """Prints the description line by line."""
    describe(config, show=print)


def describe(
    config: DescribeConfig, *, show: Callable[[str], None] | None = None
) -> DescribeResult:
    """Loads a model, drafts its manifest, and embeds a photo with it.

    Args:
        config: The settings.
        show: Receives the lines of the description one by one, including those before an error.

    Raises:
        UserError: If the model does not load, or the manifest leaves a setting open.
    """
    config = checked(config, DescribeConfig)
    show = show or (lambda line: None)
    from glrtf.inference.descriptors.kinds import is_own
    from glrtf.inference.descriptors.required import require_model

    kind = require_model("model", config.model, descriptor=config.descriptor)
    if config.photo:
        expected.file("--photo", config.photo)
    for option in ("output", "picture"):
        if getattr(config, option):
            expected.new_file(f"--{option}", getattr(config, option), config)
    if is_own(config.model, kind):
        from glrtf.inference.embedders import load_embedder

        embedder, manifest = load_embedder(config.model), ""
        show(f"{config.model}: {kind} of glrtf, which needs no manifest")
    else:
        embedder, manifest = _describe_foreign(config, show)
    spec = embedder.input
    show(f"rows: {embedder.dimension} values; digest {embedder.digest[:12]}")
    row = _embed_photo(config, embedder, show) if config.photo else None
    if not config.photo and not config.output:
        show(f"see a photo as the model does ({spec.size} px): --photo FILE --picture FILE.png")
    return DescribeResult(
        config.model, str(kind), manifest, embedder.dimension, embedder.digest, row
    )


def _describe_foreign(
    config: DescribeConfig, show: Callable[[str], None]
) -> "tuple[Embedder, str]":
    """Shows the model's tensors and the drafted manifest; writes the latter."""
    from glrtf.inference.descriptors import loading, manifests
    from glrtf.inference.descriptors.kinds import kind_of

    kind = kind_of("model", config.model)
    manifest = manifests.merged(config.model, config.descriptor)
    raw = loading.load_raw(config.model, kind, manifest.signature)
    show(f"{config.model}: {kind}")
    for what, tensors in (("input", raw.inputs), ("output", raw.outputs)):
        for each in tensors:
            show(f"{what}: {each}")
    if path := manifests.manifest_path(config.model, config.descriptor):
        show(f"manifest: {path}")
    rule = manifests.complete(config.model, raw, manifest)
    embedder = loading.make_embedder(config.model, raw, rule)
    draft = manifests.to_yaml(rule.as_json())
    if config.output:
        files.write_bytes(config.output, draft.encode())
        show(f"{config.output}: the manifest")
    else:
        show(f"the manifest, for {manifests.default_path(config.model)} (--output writes it):")
        show("\n".join(f"  {line}" for line in draft.splitlines()))
    return embedder, draft


def _embed_photo(
    config: DescribeConfig, embedder: "Embedder", show: Callable[[str], None]
) -> "npt.NDArray[np.float32]":
    """Prepares a photo, writes the picture, and embeds it."""
    import numpy as np

    from glrtf.service.batch_model import BatchModel
    from glrtf.service.photo_input import PhotoReader, RefusedPhotoError

    try:
        prepared = PhotoReader(embedder.input)(files.read_bytes(config.photo))
        assert isinstance(prepared, np.ndarray)
    except RefusedPhotoError as refused:
        raise UserError(
            f"--photo {config.photo}: expected a photo, found an unusable file: {refused}"
        ) from None
    row = BatchModel(embedder, ("plain",), 1)([prepared])[0]
    shown = ", ".join(f"{value:.4f}" for value in row[:4])
    show(f"{config.photo}: the row begins {shown}; its length is {np.linalg.norm(row):.4f}")
    if config.picture:
        from PIL import Image

        from glrtf.inference.host_views import off_canvas

        keeps = prepared.shape[0] != prepared.shape[1]
        picture = Image.fromarray(off_canvas(prepared) if keeps else prepared)
        with files.atomic_path(config.picture) as temporary, open(temporary, "wb") as file:
            picture.save(file, "PNG")
        show(f"{config.picture}: {picture.width} x {picture.height} pixels, as the model sees it")
    return row


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    return cli.run(DescribeConfig, run_describe, argv=argv, positional=True)
