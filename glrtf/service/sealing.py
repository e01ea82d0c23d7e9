"""Writes the folder of a bundle."""

import os
import tempfile

import numpy as np

from glrtf.config.bundle import BundleConfig
from glrtf.config.ranking import RankingSettings, as_json
from glrtf.config.retrieval import RetrieveConfig
from glrtf.config.service import SearcherConfig
from glrtf.embeddings import adapter as adapters
from glrtf.inference.descriptors.required import require_model
from glrtf.photos import landmark_tables
from glrtf.retrieval import bundle as bundles
from glrtf.retrieval.bundle import BUNDLE_FILE, BundleInfo, SealedModel
from glrtf.retrieval.pipeline import Pipeline
from glrtf.retrieval.stage_cache import StageCache
from glrtf.service.bundle_parts import Parts
from glrtf.service.calibrating import calibrated
from glrtf.service.row_searcher import RowSearcher
from glrtf.service.sealed_files import FolderCopier
from glrtf.service.searched import of_bundle
from tfrecords_tools.arrange import NAMES
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import csv_files, files, folders


def seal(config: BundleConfig, parts: Parts) -> None:
    """Writes the folder of a bundle, completely or not at all.

    Args:
        config: The output folder, and how files are copied.
        parts: The parts to seal.

    Raises:
        UserError: If the folder has other contents.
    """
    is_bundle = os.path.exists(os.path.join(config.output, BUNDLE_FILE))
    if os.path.isdir(config.output) and os.listdir(config.output) and not is_bundle:
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
    """Opens the finished bundle and computes everything that depends only on the index."""
    bundle = bundles.open_bundle(staged)
    searched = of_bundle(bundle, "once")
    if precompute and not bundle.ranking.impossible_for_photos:
        config = SearcherConfig(bundle=staged)
        calibrated(RowSearcher(searched, config), config)


def _copy(config: BundleConfig, parts: Parts, copier: FolderCopier) -> BundleInfo:
    """Copies all files; returns the contents of bundle.json, without digests."""
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
    """The weights of the models if no flag gives them; for mapped sets, those of the adapter."""
    if parts.mapped:
        return list(adapters.load(parts.adapter).votes)
    return [1.0] * len(parts.embedders)


def _copy_tables(landmarks: str, copier: FolderCopier) -> str:
    """Copies the table of landmarks and the names next to it."""
    if not landmarks:
        return ""
    above = os.path.dirname(landmarks) or "."
    named = (landmark_tables.names_file(above), files.join(above, NAMES))
    for path in named:
        if path and files.exists(path):
            copier.file(path, f"tables/{os.path.basename(path)}")
    return copier.file(landmarks, f"tables/{os.path.basename(landmarks)}")


def _write_penalties(settings: RetrieveConfig, copier: FolderCopier) -> str:
    """Writes the train images' similarity to non-landmarks; returns its name, or an empty one."""
    given = settings.non_landmark or settings.non_landmark_solution or settings.non_landmark_scores
    if not (settings.bridged and given):
        return ""
    with tempfile.TemporaryDirectory(prefix="glrtf-") as folder:
        pipeline = Pipeline(settings, StageCache(folder))
        scores = np.array(pipeline.non_landmark_similarities())
        ids = pipeline.inputs.train.ids
    pairs = zip(ids.tolist(), scores.tolist(), strict=True)
    text = csv_files.text(
        ["id", "non_landmark_confidence"], ([one.decode(), repr(score)] for one, score in pairs)
    )
    return copier.text(text, "tables/non_landmark_scores.csv")
