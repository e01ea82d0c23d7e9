"""Section by section what the published notebook does, in pandas and scikit-learn, slowly.

Nothing here is shared with the package: it is what the package is held against.
"""

import numpy as np
import pandas as pd
from sklearn.neighbors import NearestNeighbors


def neighbors(queries, database, k):
    """Long table query, row, distance of the k nearest rows by cosine distance."""
    k = min(k, len(database))
    # Each pair for itself: in a matrix product equal rows may differ in the last bit.
    distance = 1 - np.einsum("id,jd->ij", queries, database)
    order = np.argsort(distance, axis=1, kind="stable")[:, :k]
    return pd.DataFrame(
        {
            "query": np.repeat(np.arange(len(queries)), k),
            "row": order.ravel(),
            "distance": np.take_along_axis(distance, order, axis=1).ravel(),
        }
    )


def train_neighbors(queries, train_parts, per_part=15, k=300):
    if per_part == 0:
        return neighbors(queries, np.concatenate(train_parts), k)
    tables, first = [], 0
    for part in train_parts:
        if len(part):
            table = neighbors(queries, part, per_part)
            table["row"] += first
            tables.append(table)
        first += len(part)
    return pd.concat(tables, ignore_index=True)


def non_landmark_confidence(train, images, k=10):
    search = NearestNeighbors(n_neighbors=min(k, len(images)), metric="cosine", algorithm="brute")
    distance, _ = search.fit(images).kneighbors(train)
    return (1 - distance).mean(axis=1)


def landmark_confidence(
    table, landmark_of_row, confidence_of_row, *, weight=0.4, top=2, bonus=0.5, keep=5, mean=False
):
    """Table query, landmark, confidence."""
    table = table.copy()
    table["landmark"] = landmark_of_row[table["row"]]
    unlike = 1 - confidence_of_row[table["row"]]
    table["penalised"] = table["distance"].abs() - weight * unlike
    table = table.sort_values(["query", "penalised"], kind="stable")
    table = table.groupby(["query", "landmark"]).head(top).copy()
    table["confidence"] = 1 - table["penalised"]
    grouped = table.groupby(["query", "landmark"])["confidence"]
    result = (grouped.mean() if mean else grouped.sum()).reset_index()
    result = result.sort_values(
        ["query", "confidence", "landmark"], ascending=[True, False, True], kind="stable"
    )
    result = result.groupby("query").head(keep).reset_index(drop=True)
    best = ~result["query"].duplicated()
    result.loc[best, "confidence"] += bonus
    return result


def bridged_confidence(of_test, of_index, divisor=3):
    """Table query, image, bridged (, own: the image's own confidence of the best landmark)."""
    pairs = of_test.merge(of_index, on="landmark", suffixes=("_test", "_index"))
    pairs["bridged"] = pairs[["confidence_test", "confidence_index"]].min(axis=1)
    pairs = pairs.sort_values(
        ["query_test", "query_index", "bridged", "confidence_index"],
        ascending=[True, True, False, False],
    )
    pairs = pairs.drop_duplicates(["query_test", "query_index"])
    pairs["bridged"] /= divisor
    pairs = pairs.rename(
        columns={"query_test": "query", "query_index": "image", "confidence_index": "own"}
    )
    return pairs[["query", "image", "bridged", "own", "landmark"]]


def augment(rows, index, test, n=2):
    """The rows' weighted mean with their nearest of index and test."""
    everything = np.concatenate([index, test])
    table = neighbors(rows, everything, n)
    result = np.zeros_like(rows)
    for query, group in table.groupby("query"):
        weights = np.sqrt(np.clip(2 - group["distance"].to_numpy(), 0, 2))
        mean = (weights[:, None] * everything[group["row"]]).sum(axis=0) / weights.sum()
        result[query] = mean / np.linalg.norm(mean)
    return result


def direct_confidence(queries, index, k=100):
    table = neighbors(queries, index, k).rename(columns={"row": "image"})
    table["direct"] = np.clip(1 - table["distance"], 0, 1)
    return table[["query", "image", "direct"]]


def rank(direct, bridged, index_ids, *, tie_break="image_id", limit=100):
    """{query: index image ids, best first}."""
    table = direct.merge(bridged, on=["query", "image"], how="outer")
    table["direct"] = table["direct"].fillna(0)
    table["bridged"] = table["bridged"].fillna(0)
    table["own"] = table["own"].fillna(-np.inf)
    table["final"] = table["direct"] ** 3 + table["bridged"] ** 3
    table["image_id"] = index_ids[table["image"]]
    keys, ascending = ["query", "final", "bridged", "image_id"], [True, False, False, True]
    if tie_break == "bridge":
        keys.insert(3, "own")
        ascending.insert(3, False)
    table = table.sort_values(keys, ascending=ascending)
    return {q: group["image_id"].tolist()[:limit] for q, group in table.groupby("query")}


def fifth_place(test, index, train_parts, train_landmarks, index_ids, images=None, **options):
    """The whole of it.

    Args:
        test: (queries, d) float64 unit rows.
        index: (images, d) float64 unit rows.
        train_parts: List of (rows, d) float64 unit rows.
        train_landmarks: (train rows,) landmark ids.
        index_ids: (images,) bytes or text.
        images: (m, d) non-landmark rows, or None.
        options: per_part, k, dba_rows, tie_break, mean.

    Returns:
        {query row: its ranked image ids}.
    """
    train = np.concatenate(train_parts)
    unlike = np.ones(len(train)) if images is None else non_landmark_confidence(train, images)
    near = {"per_part": options.get("per_part", 15), "k": options.get("k", 300)}
    mean = options.get("mean", False)
    of_test, of_index = (
        landmark_confidence(
            train_neighbors(rows, train_parts, **near), train_landmarks, unlike, mean=mean
        )
        for rows in (test, index)
    )
    dba_rows = options.get("dba_rows", "test")
    queries = augment(test, index, test) if dba_rows in ("test", "both") else test
    database = augment(index, index, test) if dba_rows in ("index", "both") else index
    return rank(
        direct_confidence(queries, database),
        bridged_confidence(of_test, of_index),
        index_ids,
        tie_break=options.get("tie_break", "image_id"),
    )
