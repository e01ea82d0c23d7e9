"""glrtf whiten: embedding sets whitened by a PCA of the train rows, or by their landmarks."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from glrtf.commands import mapped_sets
from glrtf.config.whitening import WhitenConfig
from tfrecords_tools.command import cli, expected
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files, json_shapes

if TYPE_CHECKING:
    from glrtf.evaluation.held_out_landmarks import HeldOut

WHITENING_FILE = "whitening.npz"
_NOTE_FILE = "whitening.json"


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return cli.run(WhitenConfig, whiten, argv=argv)


def whiten(config: WhitenConfig) -> None:
    """Fits the transformation, or finds it, and writes the sets that are not there yet."""
    expected.new_folder("--output", config.output)
    if config.landmarks:
        expected.file("--landmarks", config.landmarks)
    sets = mapped_sets.open_sets(config)
    rows = mapped_sets.joined(sets, config.votes)
    whitening, digest = _fitted(config, rows["train"])
    _write_adapter(config, sets["train"], whitening, digest)
    from glrtf.retrieval.rerank.whitening import whitened_part

    for role, source in rows.items():
        folder = files.join(config.output, role)
        meta = _meta(sets[role], digest) | {"source_digest": source.digest}
        mapped_sets.write_set(
            folder,
            source,
            lambda some, part: whitened_part(some, part, whitening),
            meta,
            config.verify,
        )
        print(folder)


def _fitted(config: WhitenConfig, train: Any) -> tuple[Any, str]:
    """The transformation and its file's SHA-256; fitted where it is not there yet."""
    from glrtf.retrieval.rerank import whitening

    note = {"train": train.digest, "dimension": config.dimension, "max_rows": config.max_rows}
    if config.landmarks:
        note |= {"landmarks": files.sha256(config.landmarks), "shrinkage": config.shrinkage}
    if config.power != 1:
        note |= {"power": config.power}
    path = files.join(config.output, WHITENING_FILE)
    note_path = files.join(config.output, _NOTE_FILE)
    if files.exists(note_path):
        known = json_shapes.read(note_path, dict[str, Any])
        validation = {"validation": known["validation"]} if "validation" in known else {}
        if known != note | validation | {"sha256": files.sha256(path)}:
            raise UserError(
                f"{config.output}: holds a whitening of other rows or settings; choose another "
                "--output or remove it"
            )
    elif config.landmarks:
        fitted, held_out = _fit_by_landmarks(config, train)
        whitening.save(path, fitted)
        measured = {"validation": held_out.as_json()} if held_out else {}
        files.write_json(note_path, note | measured | {"sha256": files.sha256(path)})
    else:
        fitted = whitening.fit(train, config.dimension, config.max_rows)
        whitening.save(path, whitening.scaled(fitted, config.power))
        files.write_json(note_path, note | {"sha256": files.sha256(path)})
    return whitening.load(path), files.sha256(path)


def _fit_by_landmarks(config: WhitenConfig, train: Any) -> "tuple[Any, HeldOut | None]":
    """The whitening of all landmarks, and how one of half of them serves the others."""
    from glrtf.evaluation import held_out_landmarks
    from glrtf.retrieval.bridging.landmark_confidence import read_landmarks
    from glrtf.retrieval.rerank import whitening

    landmarks = read_landmarks(config.landmarks, train)
    used = held_out_landmarks.of_whole_landmarks(landmarks, config.max_rows)

    def fit(chosen: Any) -> Any:
        return whitening.fit_within_class(
            train,
            landmarks,
            shrinkage=config.shrinkage,
            dimension=config.dimension,
            chosen=chosen & used,
        )

    held_out = held_out_landmarks.measure(train, landmarks, lambda chosen: fit(chosen).apply)
    if held_out:
        print(held_out.as_line())
    else:
        print("note: too few landmarks with several photos to measure on others than fitted on")
    return fit(used), held_out


def _write_adapter(config: WhitenConfig, train: Sequence[Any], whitening: Any, digest: str) -> None:
    """The transformation as `glrtf retrieve --adapter` and others take it."""
    from glrtf.embeddings import adapter

    if files.exists(files.join(config.output, adapter.INFO_FILE)):
        return
    metas = [one.meta for one in train]
    votes = config.votes or [1.0] * len(train)
    fitted = {"by": "landmarks" if config.landmarks else "PCA"}
    layer = whitening.as_layer()
    adapter.save(
        config.output,
        adapter.Adapter(
            (layer,), adapter.model_names(metas), tuple(votes), "whitened", digest, fitted
        ),
    )


def _meta(sets: Sequence[Any], digest: str) -> dict[str, Any]:
    """What is told of a whitened set; its model is those of its sources and the whitening."""
    models = [one.meta.get("model_digest", one.meta.get("model")) for one in sets]
    return {
        "model": " + ".join(str(one.meta.get("model", "unnamed")) for one in sets) + ", whitened",
        "model_digest": files.json_digest([models, digest]),
        "whitening_sha256": digest,
        "sources": [os.fspath(one.folder) for one in sets],
    }
