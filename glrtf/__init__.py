"""Landmark retrieval: train descriptors, embed photos, rank them, measure the ranking.

``import glrtf`` costs milliseconds: each name is imported when it is first used.
"""

import importlib
import os
import sys
import types
from typing import TYPE_CHECKING, Any

# Importing TensorFlow imports Keras, which chooses its backend then, by this and by keras.json.
# glrtf.models.keras_settings sets the rest.
if "keras" not in sys.modules:
    os.environ["KERAS_BACKEND"] = "tensorflow"

__version__ = "0.1.0"

if TYPE_CHECKING:
    from glrtf.api.models import build_model, load_embedder, read_shards
    from glrtf.api.ranking import RankResult, rank, search
    from glrtf.api.scoring import score
    from glrtf.api.sets import export_rows, import_rows, join_sets, open_set, write_set
    from glrtf.config.data import AugmentConfig, InputConfig
    from glrtf.config.retrieval import (
        DbaConfig,
        FusionConfig,
        LandmarkConfig,
        QueryExpansionConfig,
        RerankConfig,
        SearchConfig,
        TrainNeighborsConfig,
    )
    from glrtf.embeddings.embedding_set import EmbeddingSet
    from glrtf.embeddings.rows import JoinedRows
    from glrtf.models.heads import ArcFaceHead
    from glrtf.retrieval.search.neighbors import Neighbors
    from glrtf.service.photo_embedder import PhotoEmbedder
    from tfrecords_tools.errors import UserError

__all__ = [
    "ArcFaceHead",
    "AugmentConfig",
    "DbaConfig",
    "EmbeddingSet",
    "FusionConfig",
    "InputConfig",
    "JoinedRows",
    "LandmarkConfig",
    "Neighbors",
    "PhotoEmbedder",
    "QueryExpansionConfig",
    "RankResult",
    "RerankConfig",
    "SearchConfig",
    "TrainNeighborsConfig",
    "UserError",
    "build_model",
    "export_rows",
    "import_rows",
    "join_sets",
    "load_embedder",
    "open_set",
    "rank",
    "read_shards",
    "score",
    "search",
    "write_set",
]

_PLACES = {
    "glrtf.api.sets": ("open_set", "write_set", "import_rows", "export_rows", "join_sets"),
    "glrtf.api.ranking": ("search", "rank", "RankResult"),
    "glrtf.api.scoring": ("score",),
    "glrtf.api.models": ("load_embedder", "build_model", "read_shards"),
    "glrtf.embeddings.embedding_set": ("EmbeddingSet",),
    "glrtf.embeddings.rows": ("JoinedRows",),
    "glrtf.retrieval.search.neighbors": ("Neighbors",),
    "glrtf.service.photo_embedder": ("PhotoEmbedder",),
    "glrtf.models.heads": ("ArcFaceHead",),
    "glrtf.config.data": ("AugmentConfig", "InputConfig"),
    "glrtf.config.retrieval": (
        *("SearchConfig", "TrainNeighborsConfig", "LandmarkConfig", "DbaConfig"),
        *("QueryExpansionConfig", "RerankConfig", "FusionConfig"),
    ),
    "tfrecords_tools.errors": ("UserError",),
}
"""Module -> its names that belong to the interface."""

_MODULES = {name: module for module, names in _PLACES.items() for name in names}


class _Package(types.ModuleType):
    """A package whose interface wins over modules of the same name.

    ``glrtf/search.py`` exists for ``python -m glrtf.search``. Importing such a module would
    set ``glrtf.search`` to it.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _MODULES and isinstance(value, types.ModuleType)):
            super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(_MODULES[name]), name)
        setattr(self, name, value)
        return value

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *__all__})


sys.modules[__name__].__class__ = _Package
