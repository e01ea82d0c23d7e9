"""glrtf whiten: embedding sets whitened by a PCA of the train rows, or by their landmarks."""

import dataclasses
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from glrtf.commands import mapped_sets
from glrtf.config.whitening import WhitenConfig
from tfrecords_tools.command import cli, expected
from tfrecords_tools.command.typed_settings import checked
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files, json_shapes

if TYPE_CHECKING:
    from glrtf.evaluation.held_out_landmarks import HeldOut

WHITENING_FILE = "whitening.npz"
_NOTE_FILE = "whitening.json"


@dataclasses.dataclass(frozen=True)
class WhitenResult:
    """Whitened sets.

    Attributes:
        whitening: The file of the transformation.
        sets: train, query, index → the folder of the whitened set.
        held_out: The measurement on landmarks that were not fitted on; None without landmarks, with
            too few of them, or if the transformation existed.
        was_there: Whether an existing transformation was read.
    """

    whitening: str
    sets: dict[str, str]
    held_out: "HeldOut | None" = None
    was_there: bool = False


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return cli.run(WhitenConfig, run_whiten, argv=argv)


def run_whiten(config: WhitenConfig) -> None:
    """Whitens and prints the measurement on other landmarks, and the folders."""
    done = whiten(config)
    if done.held_out:
        print(done.held_out.as_line())
    elif config.landmarks and not done.was_there:
        print("note: too few landmarks with several photos to measure on others than fitted on")
    for folder in done.sets.values():
        print(folder)


def whiten(config: WhitenConfig) -> WhitenResult:
    """Fits the transformation, or reads an existing one, and writes missing sets.

    Raises:
        UserError: If sets are damaged or of different models, or the output contains others.
    """
    config = checked(config, WhitenConfig)
    expected.new_folder("--output", config.output)
    if config.landmarks:
        expected.file("--landmarks", config.landmarks)
    sets = mapped_sets.open_sets(config)
    rows = mapped_sets.joined(sets, config.votes)
    was_there = files.exists(files.join(config.output, _NOTE_FILE))
    whitening, digest, held_out = _fitted(config, rows["train"])
    _write_adapter(config, sets["train"], whitening, digest)
    from glrtf.retrieval.rerank.whitening import whitened_part

    folders = {role: files.join(config.output, role) for role in rows}
    for role, source in rows.items():
        meta = _meta(sets[role], digest) | {"source_digest": source.digest}
        mapped_sets.write_set(
            folders[role],
            source,
            lambda some, part: whitened_part(some, part, whitening),
            meta,
            config.verify,
        )
    return WhitenResult(files.join(config.output, WHITENING_FILE), folders, held_out, was_there)


def _fitted(config: WhitenConfig, train: Any) -> "tuple[Any, str, HeldOut | None]":
    """The transformation, its file's SHA-256 and, if fitted now, the measurement."""
    from glrtf.retrieval.rerank import whitening

    note = {"train": train.digest, "dimension": config.dimension, "max_rows": config.max_rows}
    if config.landmarks:
        note |= {"landmarks": files.sha256(config.landmarks), "shrinkage": config.shrinkage}
    if config.center != "photos":
        note |= {"center": config.center}
    if config.power != 1:
        note |= {"power": config.power}
    held_out = None
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
    return whitening.load(path), files.sha256(path), held_out


def _fit_by_landmarks(config: WhitenConfig, train: Any) -> "tuple[Any, HeldOut | None]":
    """Fits the whitening on all landmarks, and measures that of one half on the other half."""
    from glrtf.evaluation import held_out_landmarks
    from glrtf.retrieval.bridging.landmark_confidence import read_landmarks
    from glrtf.retrieval.rerank import within_class

    landmarks = read_landmarks(config.landmarks, train)
    used = held_out_landmarks.of_whole_landmarks(landmarks, config.max_rows)

    def fit(chosen: Any) -> Any:
        return within_class.fit_within_class(
            train,
            landmarks,
            shrinkage=config.shrinkage,
            dimension=config.dimension,
            center=config.center,
            chosen=chosen & used,
        )

    held_out = held_out_landmarks.measure(train, landmarks, lambda chosen: fit(chosen).apply)
    return fit(used), held_out


def _write_adapter(config: WhitenConfig, train: Sequence[Any], whitening: Any, digest: str) -> None:
    """Writes the transformation in the form that `--adapter` reads."""
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
    """The description of a whitened set; its model name includes the whitening."""
    models = [one.meta.get("model_digest", one.meta.get("model")) for one in sets]
    return {
        "model": " + ".join(str(one.meta.get("model", "unnamed")) for one in sets) + ", whitened",
        "model_digest": files.json_digest([models, digest]),
        "whitening_sha256": digest,
        "sources": [os.fspath(one.folder) for one in sets],
        **mapped_sets.preparation([one.meta for one in sets]),
    }
