"""``glrtf adapt``: a small map trained on the rows of a frozen model."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from glrtf.commands import mapped_sets
from glrtf.config.adapting import AdaptConfig
from tfrecords_tools.command import cli, expected
from tfrecords_tools.command.typed_settings import checked
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files

if TYPE_CHECKING:
    from glrtf.embeddings.adapter import Adapter
    from glrtf.evaluation.held_out_landmarks import HeldOut


@dataclasses.dataclass(frozen=True)
class AdaptResult:
    """A trained adapter and mapped sets.

    Attributes:
        adapter: The adapter's folder.
        sets: train, query, index → the folder of the mapped set.
        held_out: The measurement on landmarks that were not trained on; None if that is switched
            off, there are too few, or the adapter existed.
    """

    adapter: str
    sets: dict[str, str]
    held_out: "HeldOut | None" = None


def adapt(config: AdaptConfig) -> AdaptResult:
    """Trains the adapter, or reads an existing one, and writes missing mapped sets.

    Raises:
        UserError: If sets are damaged or of different models, landmarks are missing, or the output
            contains another adapter.
    """
    config = checked(config, AdaptConfig)
    expected.new_folder("--output", config.output)
    expected.file("--landmarks", config.landmarks)
    expected.package("glrtf adapt", "tensorflow", "cpu")
    sets = mapped_sets.open_sets(config)
    rows = mapped_sets.joined(sets, config.votes)
    made, held_out = _trained(config, sets["train"], rows["train"])
    folders = {}
    for role, source in rows.items():
        if role == "train" and not config.write_train:
            continue
        folders[role] = files.join(config.output, role)
        metas = [one.meta for one in sets[role]]
        meta = made.meta(metas) | {"source_digest": source.digest} | mapped_sets.preparation(metas)
        mapped_sets.write_set(
            folders[role],
            source,
            lambda some, part: mapped_sets.mapped_part(some, part, made),
            meta,
            config.verify,
        )
    return AdaptResult(config.output, folders, held_out)


def _trained(
    config: AdaptConfig, train: Sequence[Any], rows: Any
) -> "tuple[Adapter, HeldOut | None]":
    from glrtf.embeddings import adapter

    fitted = _note(config, rows)
    if files.exists(files.join(config.output, adapter.INFO_FILE)):
        known = adapter.load(config.output)
        if {name: known.fitted.get(name) for name in fitted} != fitted:
            raise UserError(
                f"{config.output}: holds an adapter of other rows or settings; choose another"
                " --output or remove it"
            )
        return known, None
    layers, held_out = _train(config, rows)
    metas = [one.meta for one in train]
    votes = tuple(config.votes or [1.0] * len(train))
    measured = {"validation": held_out.as_json()} if held_out else {}
    made = adapter.Adapter(
        layers,
        adapter.model_names(metas),
        votes,
        "adapted",
        adapter.digest_of(layers),
        fitted | measured,
    )
    adapter.save(config.output, made)
    return made, held_out


def _train(config: AdaptConfig, rows: Any) -> "tuple[Any, HeldOut | None]":
    """Trains the map on all landmarks, and measures maps of one half on the other half."""
    import numpy as np

    from glrtf.config.keras_settings import ON_JAX
    from glrtf.embeddings import adapter
    from glrtf.evaluation import held_out_landmarks
    from glrtf.retrieval.bridging.landmark_confidence import read_landmarks
    from glrtf.retrieval.rerank import within_class

    if ON_JAX:
        raise UserError("glrtf adapt: expected Keras on TensorFlow, found JAX; unset KERAS_BACKEND")
    landmarks = read_landmarks(config.landmarks, rows)
    used = held_out_landmarks.of_whole_landmarks(landmarks, config.max_rows)
    dimension = config.dimension or rows.dimension
    if dimension > rows.dimension:
        raise UserError(
            f"--dimension: expected at most {rows.dimension} as of the rows, found {dimension}"
        )

    from glrtf.training import adapter_training

    def layers_of(chosen: Any) -> Any:
        shrinkage = config.shrinkage if config.start == "whitening" else 1.0
        start = within_class.fit_within_class(
            rows, landmarks, shrinkage=shrinkage, dimension=dimension, chosen=chosen & used
        )
        labels = np.where(chosen & used, landmarks, -1)
        return adapter_training.train(rows, labels, start.as_layer(), config)

    def map_of(chosen: Any) -> Any:
        return adapter.Adapter(layers_of(chosen), (), (), "", "").apply

    held_out = None
    if config.measure:
        held_out = held_out_landmarks.measure(rows, landmarks, map_of)
    return layers_of(used), held_out


def _note(config: AdaptConfig, rows: Any) -> dict[str, Any]:
    """Everything that the adapter depends on, JSON values."""
    paths = ("train", "query", "index", "output", "landmarks", "votes", "verify")
    others = ("measure", "write_train")
    settings = dataclasses.asdict(config)
    kept = {name: value for name, value in settings.items() if name not in (*paths, *others)}
    return {"train": rows.digest, "landmarks": files.sha256(config.landmarks), "settings": kept}


def run_adapt(config: AdaptConfig) -> None:
    """The command."""
    done = adapt(config)
    if done.held_out:
        print(done.held_out.as_line())
    print(done.adapter)
    for folder in done.sets.values():
        print(folder)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    return cli.run(AdaptConfig, run_adapt, argv=argv)
