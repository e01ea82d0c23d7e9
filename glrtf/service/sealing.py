"""Seals a bundle: checks that its parts belong together, and writes its folder."""

import csv
import dataclasses
import io
import os
import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from glrtf.config.bundle import BundleConfig
from glrtf.config.inference import VIEWS
from glrtf.config.ranking import RankingSettings, as_json
from glrtf.config.retrieval import RetrieveConfig
from glrtf.config.service import SearcherConfig
from glrtf.embeddings import adapter as adapters
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.inference.descriptors.required import require_model
from glrtf.inference.embedder import Embedder
from glrtf.inference.embedders import load_embedder
from glrtf.photos import landmark_tables
from glrtf.retrieval import bundle as bundles
from glrtf.retrieval import ranking_files
from glrtf.retrieval.bundle import BUNDLE_FILE, BundleInfo, SealedModel
from glrtf.retrieval.inputs import Inputs
from glrtf.retrieval.pipeline import Pipeline
from glrtf.retrieval.stage_cache import StageCache
from glrtf.service import model_agreement
from glrtf.service.calibrating import calibrated
from glrtf.service.row_searcher import RowSearcher
from glrtf.service.sealed_files import FolderCopier, refuse_unsealable
from glrtf.service.searched import of_bundle
from tfrecords_tools.arrange import NAMES
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files, folders

_FILES = ("index", "train", "landmarks", "votes", "adapter", "non_landmark")
_MORE_FILES = ("non_landmark_solution", "non_landmark_scores")


@dataclasses.dataclass(frozen=True)
class Parts:
    """What is sealed, opened and found to belong together.

    Attributes:
        settings: Files and ranking, as a retrieval with them would have.
        embedders: The models.
        index: The index's sets.
        train: The train sets.
        models: How each model embeds photos.
        mapped: Whether the sets hold rows that the adapter has mapped already.
        adapter: The adapter's folder; empty for none.
        notes: What the user should know.
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
    """The settings of a retrieval with the bundle's parts: flags, then the ranking file.

    Raises:
        UserError: On a ranking file that is none, or settings that do not go together.
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
    kinds = [require_model("--model", model, runtime=config.runtime) for model in config.model]
    for model, kind in zip(config.model, kinds, strict=True):
        refuse_unsealable("--model", model, kind)
    index = [EmbeddingSet.open(one, config.verify) for one in settings.index]
    train = [EmbeddingSet.open(one, config.verify) for one in settings.train]
    folder, settings = settings.adapter, dataclasses.replace(settings, adapter="")
    adapter = adapters.load(folder) if folder else None
    is_one = len(index) == 1 and adapter is not None
    mapped = is_one and index[0].meta.get("model_digest") == _mapped_digest(adapter)
    metas = _metas(index[0], len(config.model)) if mapped else [one.meta for one in index]
    if len(metas) != len(config.model):
        raise UserError(
            f"--model: expected {len(metas)} models, one for each set of --index, found"
            f" {len(config.model)}; name models and sets in the same order"
        )
    if train and len(train) != len(index):
        raise UserError(
            f"--train: expected {len(index)} embedding sets as of --index, found {len(train)}"
        )
    views = [meta.get("tta") or list(config.tta) or list(VIEWS) for meta in metas]
    scales = [meta.get("scales") or [1.0] for meta in metas]
    pairs = zip(config.model, metas, scales, strict=True)
    embedders = [_load(config, model, meta, scale) for model, meta, scale in pairs]
    models = [
        model_agreement.description(*each) for each in zip(embedders, views, scales, strict=True)
    ]
    if mapped and adapter is not None:
        adapter.require_models(f"--adapter {folder}", models)
        notes = _compare_mapped(adapter, embedders, models, [*index, *train])
    else:
        notes = _compare(embedders, models, index, train)
        if adapter is not None:
            settings = dataclasses.replace(settings, adapter=folder)
    if mapped or adapter is not None:
        votes = list(settings.votes)
        assert adapter is not None
        if votes not in ([], list(adapter.votes)):
            raise UserError(
                f"--votes: expected {' '.join(f'{v:g}' for v in adapter.votes)}, with which the"
                f" adapter was fitted, found {' '.join(f'{v:g}' for v in votes)}"
            )
        settings = dataclasses.replace(settings, votes=[] if mapped else list(adapter.votes))
    Inputs(settings)
    return Parts(
        settings,
        tuple(embedders),
        tuple(index),
        tuple(train),
        tuple(models),
        mapped,
        folder,
        (*notes, *RankingSettings.of(settings).notes_for_photos),
    )


def seal(config: BundleConfig, parts: Parts) -> None:
    """Writes the bundle's folder: whole, or not at all.

    Args:
        config: Where to, and how files are copied.
        parts: What is sealed.

    Raises:
        UserError: If the folder holds something else.
    """
    if os.path.isdir(config.output) and os.listdir(config.output):
        if not os.path.exists(os.path.join(config.output, BUNDLE_FILE)):
            raise UserError(
                f"--output {config.output}: expected a new folder or a bundle, found another folder"
                " with files; choose another"
            )
    with folders.atomic_folder(config.output) as staged:
        info = _copy(config, parts, FolderCopier(staged, config.link))
        known = [f"{name}/" for name in (*info["index"], *info["train"])]
        sets = dict(zip(known, (*parts.index, *parts.train), strict=True))
        info["files"] = {
            name: files.sha256(os.path.join(staged, name))
            for name, _ in files.walk(staged)
            if not (name.startswith(tuple(known)) and name.endswith(".npy"))
        }
        for prefix, one in sets.items():
            info["files"] |= {prefix + name: digest for name, digest in one.file_digests.items()}
        info["files"] = dict(sorted(info["files"].items()))
        files.write_json(os.path.join(staged, BUNDLE_FILE), info)
        _try(staged, config.precompute)


def _try(staged: str, precompute: bool) -> None:
    """Opens the finished bundle, and computes what depends on the index alone."""
    bundle = bundles.open_bundle(staged)
    searched = of_bundle(bundle, "once")
    if precompute and not bundle.ranking.impossible_for_photos:
        config = SearcherConfig(bundle=staged)
        calibrated(RowSearcher(searched, config), config)


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


def _mapped_digest(adapter: adapters.Adapter | None) -> str:
    """The digest of sets that an adapter has mapped."""
    return adapter.meta(adapter.models)["model_digest"] if adapter else ""


def _metas(mapped: EmbeddingSet, models: int) -> list[dict[str, Any]]:
    """How the photos of each model were prepared, as a mapped set says."""
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
    """Compares each model with its sets; notes for the user."""
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


def _copy(config: BundleConfig, parts: Parts, copier: FolderCopier) -> BundleInfo:
    """Copies all files; what bundle.json says, without their digests."""
    settings = parts.settings
    kinds = [require_model("--model", model) for model in config.model]
    models: list[SealedModel] = []
    rows = zip(config.model, kinds, parts.embedders, parts.models, strict=True)
    for number, (model, kind, embedder, photos) in enumerate(rows):
        models.append(
            {
                "path": copier.model(model, kind, f"models/{number}"),
                "name": embedder.name,
                "digest": embedder.digest,
                "dimension": embedder.dimension,
                "tta": list(photos["tta"]),
                "scales": list(photos["scales"]),
                "precision": embedder.precision,
                "preparation": embedder.preparation,
            }
        )
    return {
        "schema_version": bundles.SCHEMA_VERSION,
        "models": models,
        "index": [copier.set(one, f"index/{n}") for n, one in enumerate(parts.index)],
        "train": [copier.set(one, f"train/{n}") for n, one in enumerate(parts.train)],
        "votes": [float(vote) for vote in settings.votes] or _votes(parts),
        "landmarks": _copy_tables(settings.landmarks or "", copier),
        "labels": copier.file(config.labels, "tables/index_labels.csv") if config.labels else "",
        "non_landmark_scores": _write_penalties(settings, copier),
        "adapter": copier.adapter(parts.adapter, "adapter") if parts.adapter else "",
        "mapped": parts.mapped,
        "ranking": as_json(RankingSettings.of(settings)),
        "files": {},
    }


def _votes(parts: Parts) -> list[float]:
    """What the models count where no flag says so; of mapped sets, what the adapter says."""
    if parts.mapped:
        return list(adapters.load(parts.adapter).votes)
    return [1.0] * len(parts.embedders)


def _copy_tables(landmarks: str, copier: FolderCopier) -> str:
    """The landmarks' table and the names next to it."""
    if not landmarks:
        return ""
    above = os.path.dirname(landmarks) or "."
    named = (landmark_tables.names_file(above), files.join(above, NAMES))
    for path in named:
        if path and files.exists(path):
            copier.file(path, f"tables/{os.path.basename(path)}")
    return copier.file(landmarks, f"tables/{os.path.basename(landmarks)}")


def _write_penalties(settings: RetrieveConfig, copier: FolderCopier) -> str:
    """How much train images look like non-landmarks, which depends on no query; empty for none."""
    given = settings.non_landmark or settings.non_landmark_solution or settings.non_landmark_scores
    if not (settings.bridged and given):
        return ""
    with tempfile.TemporaryDirectory(prefix="glrtf-") as folder:
        pipeline = Pipeline(settings, StageCache(folder))
        scores = np.array(pipeline.non_landmark_similarities())
        ids = pipeline.inputs.train.ids
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["id", "non_landmark_confidence"])
    pairs = zip(ids.tolist(), scores.tolist(), strict=True)
    writer.writerows([one.decode(), repr(score)] for one, score in pairs)
    return copier.text(text.getvalue(), "tables/non_landmark_scores.csv")
