"""What the report shows about the embeddings: bridging photos and a map."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from glrtf.config.evaluation import ReportConfig
from glrtf.config.paths import moved
from glrtf.embeddings.agreement import Agreement
from glrtf.embeddings.rows_by_id import RowsById
from glrtf.evaluation.solutions import RetrievalSolution
from glrtf.photos import thumbnails
from glrtf.reporting import bridge_photos, embedding_map, projector
from glrtf.reporting.bridge_photos import Bridge
from glrtf.reporting.embedding_map import EmbeddingMap
from glrtf.reporting.gallery import QueryView
from glrtf.retrieval.bundle import Bundle
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files

ROLES = ("query", "index", "train")


@dataclasses.dataclass(frozen=True)
class Embeddings:
    """The embedding sets that could be opened.

    Attributes:
        sets: By role: ``query``, ``index``, ``train``.
        notes: Which could not be opened, and why.
    """

    sets: Mapping[str, RowsById]
    notes: Sequence[str]


def open_embeddings(
    config: ReportConfig, info: Mapping[str, Any], bundle: Bundle | None = None
) -> Embeddings:
    """Opens the named sets, or those that the retrieval was made from.

    Args:
        config: The report's settings.
        info: ``retrieval.json``.
        bundle: Has the sets of index and train images, if given.

    Raises:
        UserError: If a set that the settings name is missing or incomplete.
    """
    parameters = info.get("parameters", {})
    votes = parameters.get("votes") or ()
    adapter = parameters.get("adapter") or ""
    of_bundle: dict[str, Sequence[str]] = {}
    if bundle is not None:
        votes, adapter = (), ""
        if not bundle.info["mapped"]:
            votes, adapter = bundle.info["votes"], bundle.files.adapter
        of_bundle = {"index": bundle.files.index, "train": bundle.files.train}
    sets: dict[str, RowsById] = {}
    agreement = Agreement()
    notes = []
    for role in ROLES:
        named = list(of_bundle.get(role, ())) or getattr(config, role)
        folders = named or [
            moved(folder, parameters.get("output", ""), config.retrieval)
            for folder in parameters.get(role) or []
        ]
        if not folders:
            continue
        try:
            sets[role] = RowsById.open(folders, votes, config.verify, agreement, adapter)
        except UserError as error:
            if named:
                raise
            notes.append(f"The {role} embeddings of the retrieval cannot be shown: {error}.")
    return Embeddings(sets, notes)


def bridging_photos(
    embeddings: Embeddings,
    views: Sequence[QueryView],
    train_ids: Mapping[int, Sequence[str]],
) -> dict[Bridge, list[str]]:
    """For both ends of every bridge, the most similar train photos, if the sets are given."""
    if not all(role in embeddings.sets for role in ROLES):
        return {}
    queries, index = bridge_photos.bridges_of(views)
    sets = embeddings.sets
    nearest = bridge_photos.nearest_train_photos
    return nearest(queries, sets["query"], sets["train"], train_ids) | nearest(
        index, sets["index"], sets["train"], train_ids
    )


def make_map(
    config: ReportConfig,
    embeddings: Embeddings,
    views: Sequence[QueryView],
    solution: RetrievalSolution,
) -> EmbeddingMap | None:
    """Arranges the gallery's queries and the related index photos on a map.

    Returns:
        None if no map is wanted, a set is missing, or there are too few photos.
    """
    sets = embeddings.sets
    if config.map == "none" or not all(role in sets for role in ("query", "index")):
        return None
    groups = embedding_map.landmark_groups(solution)
    query_ids, index_ids = embedding_map.choose_points(
        sets["query"].known([view.query_id for view in views]),
        [image_id.decode() for image_id in sets["index"].source.ids],
        groups,
        config.map_points,
    )
    ids = query_ids + index_ids
    if not query_ids or not index_ids or len(ids) < embedding_map.FEWEST_POINTS:
        return None
    is_query = np.arange(len(ids)) < len(query_ids)
    method, places = embedding_map.place(_map_rows(embeddings, ids, is_query), config.map)
    return EmbeddingMap(
        method=method,
        ids=ids,
        is_query=is_query,
        group=np.array([groups.get(image_id, -1) for image_id in ids], np.int64),
        places=places,
    )


def write_projector(
    folder: str, config: ReportConfig, embeddings: Embeddings, shown: EmbeddingMap
) -> None:
    """Writes the map's embeddings for TensorBoard's projector, thumbnails being made."""
    labels = [
        (image_id, "query" if query else "index", str(group) if group >= 0 else "")
        for image_id, query, group in zip(shown.ids, shown.is_query, shown.group, strict=True)
    ]
    paths = [
        files.join(config.output, thumbnails.relative_path(image_id, config.thumbnail))
        for image_id in shown.ids
    ]
    pictures = [path if os.path.exists(path) else None for path in paths]
    rows = _map_rows(embeddings, shown.ids, shown.is_query)
    projector.write_projector(folder, rows, labels, pictures)


def _map_rows(embeddings: Embeddings, ids: Sequence[str], is_query: np.ndarray) -> np.ndarray:
    """The embeddings of the map's photos, queries first."""
    queries = [image_id for image_id, query in zip(ids, is_query, strict=True) if query]
    index = [image_id for image_id, query in zip(ids, is_query, strict=True) if not query]
    sets = embeddings.sets
    return np.concatenate([sets["query"].rows(queries), sets["index"].rows(index)])
