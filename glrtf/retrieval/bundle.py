"""Bundles: models, sets, tables and the settings of a ranking in one folder that can be moved.

``bundle.json`` lists every file with its SHA-256; paths in it are relative to the folder.
``cache/`` is not listed: what it holds is compared when it is read, and can be deleted.
"""

import dataclasses
import os
from typing import Any, Literal, TypedDict, TypeVar

from glrtf.config.descriptor import HUB_PREFIX
from glrtf.config.paths import BUNDLE_CACHE
from glrtf.config.ranking import RankingSettings
from glrtf.config.ranking import names as ranking_names
from glrtf.config.retrieval import RetrieveConfig
from glrtf.embeddings import digests
from glrtf.embeddings.adapted_rows import AdaptedRows, adapted
from glrtf.embeddings.adapter import Adapter
from glrtf.embeddings.adapter import load as load_adapter
from glrtf.embeddings.digests import Verify
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.embeddings.joined_rows import JoinedRows, join
from glrtf.retrieval.ranking_files import settings_of
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files, json_shapes

BUNDLE_FILE = "bundle.json"
SCHEMA_VERSION = 1
_FREE = {"query", "output", "search", "verify", "bundle"}
_FREE |= {"verifier", "verifier_top", "verifier_images"}
_REMEDY = "make the bundle again with glrtf bundle"

ConfigT = TypeVar("ConfigT", bound=RetrieveConfig)


class SealedModel(TypedDict):
    """A model of a bundle, and how it embeds photos."""

    path: str
    name: str
    digest: str
    dimension: int
    tta: list[str]
    scales: list[float]
    precision: Literal["float32", "bfloat16"]
    preparation: dict[str, Any] | None


class BundleInfo(TypedDict):
    """bundle.json.

    Attributes:
        mapped: Whether the sets hold rows that the adapter has mapped already.
    """

    schema_version: int
    models: list[SealedModel]
    index: list[str]
    train: list[str]
    votes: list[float]
    landmarks: str
    labels: str
    non_landmark_scores: str
    adapter: str
    mapped: bool
    ranking: dict[str, Any]
    files: dict[str, str]


@dataclasses.dataclass(frozen=True)
class SealedFiles:
    """The parts of a bundle as paths: empty where it has none.

    Attributes:
        index: Embedding sets of the index images, one a model.
        train: Embedding sets of the train images.
        landmarks: CSV of the train images' landmarks.
        labels: CSV of the index images' landmarks.
        non_landmark_scores: CSV of how much train images look like non-landmarks.
        adapter: The adapter's folder.
    """

    index: tuple[str, ...]
    train: tuple[str, ...]
    landmarks: str
    labels: str
    non_landmark_scores: str
    adapter: str


@dataclasses.dataclass(frozen=True)
class Bundle:
    """An opened bundle.

    Attributes:
        folder: Where it is.
        info: bundle.json.
        ranking: How it ranks.
    """

    folder: str
    info: BundleInfo
    ranking: RankingSettings

    @property
    def files(self) -> SealedFiles:
        """Its parts."""
        return SealedFiles(
            tuple(map(self.path, self.info["index"])),
            tuple(map(self.path, self.info["train"])),
            self.path(self.info["landmarks"]),
            self.path(self.info["labels"]),
            self.path(self.info["non_landmark_scores"]),
            self.path(self.info["adapter"]),
        )

    @property
    def cache_folder(self) -> str:
        """Where what is computed once is kept unless the settings say otherwise."""
        return files.join(self.folder, BUNDLE_CACHE)

    def path(self, name: str) -> str:
        """Where a part is; empty for an empty name."""
        return files.join(self.folder, name) if name else ""

    def model_path(self, model: SealedModel) -> str:
        """A model's path, as the commands take it."""
        prefix = HUB_PREFIX if model["path"].startswith(HUB_PREFIX) else ""
        return prefix + self.path(model["path"].removeprefix(HUB_PREFIX))

    def adapter(self) -> Adapter | None:
        """The adapter, if there is one."""
        return load_adapter(self.files.adapter) if self.files.adapter else None

    def rows(
        self, role: Literal["index", "train"], sets: list[EmbeddingSet]
    ) -> JoinedRows | AdaptedRows:
        """A role's rows: its sets joined, and mapped where that is left to do."""
        if self.info["mapped"]:
            return join(sets)
        adapter = self.adapter()
        if adapter is None:
            return join(sets, self.info["votes"])
        return adapted(f"{self.folder}: {role}", sets, self.info["votes"], adapter)


def open_bundle(folder: str | os.PathLike[str], verify: Verify = "once") -> Bundle:
    """Opens a bundle and compares its files with their digests.

    The sets' parts are compared when the sets are opened, with the digests in their own
    description, which is compared here.

    Args:
        folder: The bundle.
        verify: ``once`` does not read files again that were compared before and are unchanged.

    Raises:
        UserError: If it is no bundle, or a file is missing or has changed.
    """
    folder = os.fspath(folder)
    path = files.join(folder, BUNDLE_FILE)
    if not files.exists(path):
        raise UserError(
            f"{folder}: expected a bundle, found no {BUNDLE_FILE}; make one with glrtf bundle"
        )
    info = json_shapes.read(path, dict[str, Any], _REMEDY)
    if info.get("schema_version") != SCHEMA_VERSION:
        raise UserError(
            f"{path}: expected schema_version {SCHEMA_VERSION}, found"
            f" {info.get('schema_version')!r}; {_REMEDY}"
        )
    json_shapes.require(path, info, BundleInfo, _REMEDY)
    _refuse_outside(path, info)
    opened = Bundle(folder, info, settings_of(path, info["ranking"], _REMEDY))
    sets = tuple(f"{name}/" for name in (*info["index"], *info["train"]))
    listed = {
        files.join(folder, name): digest
        for name, digest in info["files"].items()
        if not (name.startswith(sets) and name.endswith(".npy"))
    }
    digests.compare(folder, listed, verify, "the bundle")
    return opened


def applied(config: ConfigT) -> ConfigT:
    """The settings of a retrieval, with the files and the ranking of the bundle that they name.

    Args:
        config: Settings; without a bundle they stay as they are.

    Raises:
        UserError: If flags say what the bundle has, or the bundle is not whole.
    """
    if not config.bundle:
        return config
    for field in dataclasses.fields(RetrieveConfig):
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        if field.name not in _FREE and getattr(config, field.name) != default:
            raise UserError(
                f"--{field.name}: expected none with --bundle, which has its own; leave it out"
            )
    bundle = open_bundle(config.bundle, config.verify)
    parts, mapped = bundle.files, bundle.info["mapped"]
    ranking = {name: getattr(bundle.ranking, name) for name in ranking_names()}
    return dataclasses.replace(
        config,
        bundle="",
        index=list(parts.index),
        train=list(parts.train),
        landmarks=parts.landmarks or None,
        non_landmark_scores=parts.non_landmark_scores or None,
        votes=[] if mapped else list(bundle.info["votes"]),
        adapter="" if mapped else parts.adapter,
        **ranking,
    )


def _refuse_outside(path: str, info: BundleInfo) -> None:
    """A bundle from someone else must not lead to files that are not its own."""
    named = [*info["index"], *info["train"], *info["files"], info["landmarks"], info["labels"]]
    named += [info["non_landmark_scores"], info["adapter"]]
    named += [model["path"].removeprefix(HUB_PREFIX) for model in info["models"]]
    for name in named:
        if os.path.isabs(name) or ".." in name.split("/"):
            raise UserError(f"{path}: expected paths below the bundle, found {name!r}; {_REMEDY}")
