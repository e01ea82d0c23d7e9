"""Opens the parts of a bundle and checks that they belong together."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from glrtf.config.bundle import BundleConfig
from glrtf.config.inference import VIEWS
from glrtf.config.ranking import RankingSettings, as_json
from glrtf.config.retrieval import RetrieveConfig
from glrtf.embeddings import adapter as adapters
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.inference.descriptors.kinds import kind_of
from glrtf.inference.descriptors.required import require_model
from glrtf.inference.embedder import Embedder
from glrtf.inference.embedders import load_embedder
from glrtf.retrieval import ranking_files
from glrtf.retrieval.inputs import Inputs
from glrtf.service import model_agreement
from glrtf.service.sealed_files import refuse_unsealable
from tfrecords_tools.errors import UserError

_FILES = ("index", "train", "landmarks", "votes", "adapter", "non_landmark")
_MORE_FILES = ("non_landmark_solution", "non_landmark_scores")


@dataclasses.dataclass(frozen=True)
class Parts:
    """The parts of a bundle, opened and checked.

    Attributes:
        settings: Files and ranking, as settings of ``glrtf retrieve``.
        embedders: The models.
        index: The index sets.
        train: The train sets.
        models: How each model embeds photos.
        mapped: Whether the rows of the sets have already been mapped by the adapter.
        adapter: The adapter's folder; empty for none.
        notes: Notes for the user.
    """

    settings: RetrieveConfig
    embedders: tuple[Embedder, ...]
    index: tuple[EmbeddingSet, ...]
    train: tuple[EmbeddingSet, ...]
    models: tuple[dict[str, Any], ...]
    mapped: bool
    adapter: str
    notes: tuple[str, ...]


def settings_of(config: BundleConfig) -> RetrieveConfig:
    """The settings of a retrieval with the bundle's parts; flags override the ranking file.

    Raises:
        UserError: On an invalid ranking file, or settings that contradict each other.
    """
    read = ranking_files.read(config.ranking) if config.ranking else {}
    chosen = {name: getattr(config, name) or read.get(name) for name in (*_FILES, *_MORE_FILES)}
    if not chosen["index"]:
        raise UserError(
            "--index: expected the index's embedding sets, one a model, found none; name them, or"
            " give the folder of a retrieval as --ranking"
        )
    alone = chosen["non_landmark_solution"] and not chosen["non_landmark"]
    if alone and not read.get("query"):
        raise UserError(
            "--non_landmark_solution: expected --non_landmark with the sets of its images, found"
            " none; name the test images' sets, or the folder of a retrieval as --ranking"
        )
    ranking = ranking_files.settings_of(config.ranking, read)
    preset = config.preset or read.get("preset")
    preset = preset or ("fifth_place" if chosen["train"] else "direct_dba")
    named = {name: value for name, value in chosen.items() if value}
    groups = {name: getattr(ranking, name) for name in as_json(ranking) if name != "preset"}
    try:
        return RetrieveConfig(
            query=read["query"] if alone else named["index"],
            output="",
            preset=preset,
            **{**groups, **named},
        )
    except ValueError as error:
        raise UserError(f"--{error}") from None


def open_parts(config: BundleConfig) -> Parts:
    """Opens models and sets and checks that they belong together.

    Raises:
        UserError: Naming what does not fit.
    """
    settings = settings_of(config)
    for model in config.model:
        refuse_unsealable("--model", model, kind_of("--model", model))
        require_model("--model", model, runtime=config.runtime)
    index = [EmbeddingSet.open(one, config.verify) for one in settings.index]
    train = [EmbeddingSet.open(one, config.verify) for one in settings.train]
    folder = settings.adapter
    adapter = adapters.load(folder) if folder else None
    mapped = adapter is not None and _is_mapped(adapter, index)
    metas = _metas(index[0], len(config.model)) if mapped else [one.meta for one in index]
    _require_as_many(config, metas, index, train)
    embedders, models = _load_models(config, metas)
    if adapter is None:
        notes = _compare(embedders, models, index, train)
    else:
        settings = _with_adapter(settings, adapter, mapped)
        adapter.require_models(f"--adapter {folder}", models)
        if mapped:
            notes = _compare_mapped(adapter, embedders, models, [*index, *train])
        else:
            notes = _compare(embedders, models, index, train)
    Inputs(settings)  # This compares the sets with each other and with the tables.
    return Parts(
        settings,
        tuple(embedders),
        tuple(index),
        tuple(train),
        tuple(models),
        mapped,
        folder,
        (*notes, *_notes_on_ranking(config, RankingSettings.of(settings))),
    )


def _notes_on_ranking(config: BundleConfig, ranking: RankingSettings) -> tuple[str, ...]:
    notes = _notes_for_photos(ranking)
    if config.ranking and ranking_files.read(config.ranking).get("verifier"):
        verifier = "the verifier is a function and not sealed; give --verifier to glrtf retrieve"
        return (verifier, *notes)
    return notes


def _notes_for_photos(ranking: RankingSettings) -> tuple[str, ...]:
    if reason := ranking.impossible_for_photos:
        return (f"search and serve will refuse this bundle ({reason}); retrieve opens it",)
    return ranking.notes_for_photos


def _is_mapped(adapter: adapters.Adapter, index: Sequence[EmbeddingSet]) -> bool:
    """Whether the rows of the index set were mapped by the adapter."""
    digest = adapter.meta(adapter.models)["model_digest"]
    return len(index) == 1 and index[0].meta.get("model_digest") == digest


def _require_as_many(
    config: BundleConfig,
    metas: Sequence[Any],
    index: Sequence[EmbeddingSet],
    train: Sequence[EmbeddingSet],
) -> None:
    if len(metas) != len(config.model):
        raise UserError(
            f"--model: expected {len(metas)} models, one for each set of --index, found"
            f" {len(config.model)}; name models and sets in the same order"
        )
    if train and len(train) != len(index):
        raise UserError(
            f"--train: expected {len(index)} embedding sets as of --index, found {len(train)}"
        )


def _load_models(
    config: BundleConfig, metas: Sequence[dict[str, Any]]
) -> tuple[list[Embedder], list[dict[str, Any]]]:
    """Loads the models as their sets record; also returns how each embeds photos."""
    embedders, models = [], []
    for model, meta in zip(config.model, metas, strict=True):
        scales = meta.get("scales") or [1.0]
        embedders.append(_load(config, model, meta, scales))
        views = meta.get("tta") or list(config.tta) or list(VIEWS)
        models.append(model_agreement.description(embedders[-1], views, scales))
    return embedders, models


def _with_adapter(
    settings: RetrieveConfig, adapter: adapters.Adapter, mapped: bool
) -> RetrieveConfig:
    """The settings with the adapter's votes, and without the adapter if the sets are mapped."""
    votes = list(settings.votes)
    if votes not in ([], list(adapter.votes)):
        raise UserError(
            f"--votes: expected {' '.join(f'{v:g}' for v in adapter.votes)}, with which the"
            f" adapter was fitted, found {' '.join(f'{v:g}' for v in votes)}"
        )
    if mapped:
        return dataclasses.replace(settings, votes=[], adapter="")
    return dataclasses.replace(settings, votes=list(adapter.votes))


def _load(
    config: BundleConfig, model: str, meta: dict[str, Any], scales: Sequence[float]
) -> Embedder:
    return load_embedder(
        model,
        any_size=list(scales) != [1.0],
        precision=meta.get("precision") or "float32",
        runtime=config.runtime,
        descriptor=config.descriptor,
        recorded=meta.get("preparation"),
        light=list(scales) == [1.0],
    )


def _metas(mapped: EmbeddingSet, models: int) -> list[dict[str, Any]]:
    """How the photos of each model were prepared, as recorded by a mapped set."""
    if models == 1:
        return [mapped.meta]
    joined: list[dict[str, Any]] = mapped.meta.get("joined") or [{} for _ in range(models)]
    return joined


def _compare(
    embedders: Sequence[Embedder],
    models: Sequence[dict[str, Any]],
    index: Sequence[EmbeddingSet],
    train: Sequence[EmbeddingSet],
) -> list[str]:
    """Compares each model with its sets; returns notes for the user."""
    notes = []
    for place, (embedder, photos) in enumerate(zip(embedders, models, strict=True)):
        for one in (*index[place : place + 1], *train[place : place + 1]):
            if one.dimension != embedder.dimension:
                raise UserError(
                    f"--model {embedder.name}: expected rows of {one.dimension} numbers as in"
                    f" {one.folder}, found {embedder.dimension}; name models and sets in the same"
                    " order"
                )
            model_agreement.refuse_unlike(photos, [one])
            notes += model_agreement.notes(photos, [one])
    return notes


def _compare_mapped(
    adapter: adapters.Adapter,
    embedders: Sequence[Embedder],
    models: Sequence[dict[str, Any]],
    sets: Sequence[EmbeddingSet],
) -> list[str]:
    width = sum(one.dimension for one in embedders)
    if width != adapter.input_dimension:
        raise UserError(
            f"--model: expected models whose rows have {adapter.input_dimension} numbers together,"
            f" as the adapter takes, found {width}"
        )
    photos = models[0] | adapter.meta(models) if len(models) == 1 else adapter.meta(models)
    model_agreement.refuse_unlike(photos, sets)
    return []
