"""Shows what a model takes and gives: ``glrtf describe MODEL``."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from glrtf.config.descriptor import DescribeConfig
from tfrecords_tools.command import cli, expected
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files

if TYPE_CHECKING:
    from glrtf.inference.embedder import Embedder


def run_describe(config: DescribeConfig) -> None:
    """The command."""
    from glrtf.inference.descriptors.kinds import is_own
    from glrtf.inference.descriptors.required import require_model

    kind = require_model("model", config.model, descriptor=config.descriptor)
    if config.photo:
        expected.file("--photo", config.photo)
    for option in ("output", "picture"):
        if getattr(config, option):
            expected.new_file(f"--{option}", getattr(config, option))
    if is_own(config.model, kind):
        from glrtf.inference.embedders import load_embedder

        embedder = load_embedder(config.model)
        print(f"{config.model}: {kind} of glrtf, which needs no manifest")
    else:
        embedder = _describe_foreign(config)
    spec = embedder.input
    print(f"rows: {embedder.dimension} values; digest {embedder.digest[:12]}")
    if config.photo:
        _show(config, embedder)
    elif not config.output:
        print(f"see a photo as the model does ({spec.size} px): --photo FILE --picture FILE.png")


def _describe_foreign(config: DescribeConfig) -> "Embedder":
    """Prints the model's tensors and the drafted manifest; writes the latter."""
    from glrtf.inference.descriptors import loading, manifests
    from glrtf.inference.descriptors.kinds import kind_of

    kind = kind_of("model", config.model)
    manifest = manifests.merged(config.model, config.descriptor)
    raw = loading.load_raw(config.model, kind, manifest.signature)
    print(f"{config.model}: {kind}")
    for what, tensors in (("input", raw.inputs), ("output", raw.outputs)):
        for each in tensors:
            print(f"{what}: {each}")
    if path := manifests.manifest_path(config.model, config.descriptor):
        print(f"manifest: {path}")
    rule = manifests.complete(config.model, raw, manifest)
    embedder = loading.make_embedder(config.model, raw, rule)
    draft = manifests.to_yaml(rule.as_json())
    if config.output:
        files.write_bytes(config.output, draft.encode())
        print(f"{config.output}: the manifest")
    else:
        print(f"the manifest, for {manifests.default_path(config.model)} (--output writes it):")
        print(*(f"  {line}" for line in draft.splitlines()), sep="\n")
    return embedder


def _show(config: DescribeConfig, embedder: "Embedder") -> None:
    """Prepares a photo, writes the picture, and embeds it."""
    import numpy as np

    from glrtf.service.batch_model import BatchModel
    from glrtf.service.photo_input import PhotoReader, RefusedPhotoError

    try:
        prepared = PhotoReader(embedder.input)(files.read_bytes(config.photo))
    except RefusedPhotoError as refused:
        raise UserError(
            f"--photo {config.photo}: expected a photo, found an unusable file: {refused}"
        ) from None
    row = BatchModel(embedder, ("plain",), 1)([prepared])[0]
    shown = ", ".join(f"{value:.4f}" for value in row[:4])
    print(f"{config.photo}: the row begins {shown}; its length is {np.linalg.norm(row):.4f}")
    if config.picture:
        from PIL import Image

        from glrtf.inference.host_views import off_canvas

        keeps = prepared.shape[0] != prepared.shape[1]
        picture = Image.fromarray(off_canvas(prepared) if keeps else prepared)
        with files.atomic_path(config.picture) as temporary, open(temporary, "wb") as file:
            picture.save(file, "PNG")
        print(f"{config.picture}: {picture.width} x {picture.height} pixels, as the model sees it")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    return cli.run(DescribeConfig, run_describe, argv=argv, positional=True)
