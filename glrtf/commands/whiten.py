"""glrtf whiten: embedding sets made shorter and whitened by a PCA of the train rows."""

import dataclasses
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from glrtf.config.whitening import WhitenConfig
from tfrecords_tools.command import cli, expected
from tfrecords_tools.command.typed_settings import checked
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files, json_shapes

if TYPE_CHECKING:
    from glrtf.embeddings.agreement import Agreement
    from glrtf.embeddings.digests import Verify

WHITENING_FILE = "whitening.npz"
_NOTE_FILE = "whitening.json"
_ROLES = ("train", "query", "index")


@dataclasses.dataclass(frozen=True)
class WhitenResult:
    """Whitened sets.

    Attributes:
        whitening: The file of the transformation.
        sets: train, query, index → the folder of the whitened set.
    """

    whitening: str
    sets: dict[str, str]


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return cli.run(WhitenConfig, run_whiten, argv=argv)


def run_whiten(config: WhitenConfig) -> None:
    """Whitens and prints the folders."""
    for folder in whiten(config).sets.values():
        print(folder)


def whiten(config: WhitenConfig) -> WhitenResult:
    """Fits the transformation, or reads it, and writes the sets that are missing.

    Raises:
        UserError: If sets are damaged or of different models, or the output holds others.
    """
    config = checked(config, WhitenConfig)
    from glrtf.embeddings.agreement import Agreement
    from glrtf.embeddings.embedding_set import EmbeddingSet
    from glrtf.embeddings.rows import join

    expected.new_folder("--output", config.output)
    sets = {
        role: [EmbeddingSet.open(folder, config.verify) for folder in getattr(config, role)]
        for role in _ROLES
    }
    agreement = Agreement()
    for role in _ROLES:
        _require_models_of(sets["train"], role, sets[role], agreement)
    rows = {role: join(source, config.votes) for role, source in sets.items() if source}
    whitening, digest = _fitted(config, rows["train"])
    folders = {role: files.join(config.output, role) for role in rows}
    for role, source in rows.items():
        meta = _meta(sets[role], digest) | {"source_digest": source.digest}
        _write_set(folders[role], source, whitening, meta, config.verify)
    return WhitenResult(files.join(config.output, WHITENING_FILE), folders)


def _require_models_of(
    train: Sequence[Any], role: str, sets: Sequence[Any], agreement: "Agreement"
) -> None:
    if sets and len(sets) != len(train):
        raise UserError(
            f"--{role}: expected {len(train)} embedding sets as of --train, found {len(sets)}"
        )
    for place, (one, other) in enumerate(zip(train, sets, strict=False)):
        agreement.add(f"--{role} {other.folder}", other.meta, place)
        if one.dimension != other.dimension:
            raise UserError(
                f"--{role} {other.folder}: expected rows of {one.dimension} numbers as in"
                f" {one.folder}, found {other.dimension}; name the sets in the same order"
            )


def _model(one: Any) -> Any:
    return one.meta.get("model_digest", one.meta.get("model"))


def _fitted(config: WhitenConfig, train: Any) -> tuple[Any, str]:
    """The transformation and its file's SHA-256; fitted where it is not there yet."""
    from glrtf.retrieval.rerank import whitening

    note = {"train": train.digest, "dimension": config.dimension, "max_rows": config.max_rows}
    path = files.join(config.output, WHITENING_FILE)
    note_path = files.join(config.output, _NOTE_FILE)
    if files.exists(note_path):
        known = json_shapes.read(note_path, dict[str, Any])
        if known != note | {"sha256": files.sha256(path)}:
            raise UserError(
                f"{config.output}: holds a whitening of other rows or settings; choose another "
                "--output or remove it"
            )
    else:
        whitening.save(path, whitening.fit(train, config.dimension, config.max_rows))
        files.write_json(note_path, note | {"sha256": files.sha256(path)})
    return whitening.load(path), files.sha256(path)


def _meta(sets: Sequence[Any], digest: str) -> dict[str, Any]:
    """The description of a whitened set; its model names its sources' models and the whitening."""
    from tfrecords_tools.storage import files

    models = [_model(one) for one in sets]
    return {
        "model": " + ".join(str(one.meta.get("model", "unnamed")) for one in sets) + ", whitened",
        "model_digest": files.json_digest([models, digest]),
        "whitening_sha256": digest,
        "sources": [os.fspath(one.folder) for one in sets],
    }


def _write_set(
    folder: str, rows: Any, whitening: Any, meta: dict[str, Any], verify: "Verify"
) -> None:
    from glrtf.embeddings import embedding_set
    from glrtf.embeddings.info import INFO_FILE
    from glrtf.retrieval.rerank.whitening import whitened_part
    from tfrecords_tools.progress import Progress

    if files.exists(files.join(folder, INFO_FILE)):
        if embedding_set.EmbeddingSet.open(folder, verify).meta != meta:
            raise UserError(f"{folder}: is another set; choose another --output or remove it")
        return
    lengths = rows.part_lengths
    first = 0
    with Progress(f"whiten {os.path.basename(folder)}", sum(lengths), "row") as progress:
        for part, length in enumerate(lengths):
            ids = rows.ids[first : first + length]
            block = whitened_part(rows, part, whitening)
            embedding_set.write_part(folder, part, len(lengths), block, ids)
            first += length
            progress.update(length)
    embedding_set.finish(folder, len(lengths), **meta)
