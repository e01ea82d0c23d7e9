"""Checks that photos are embedded in the same way as the sets that they are compared with."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from glrtf.embeddings.agreement import Agreement
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.inference.embedder import Embedder
from tfrecords_tools.errors import UserError


def description(
    embedder: Embedder, views: Sequence[str], scales: Sequence[float] = (1.0,)
) -> dict[str, Any]:
    """What a set of the model's rows records about them.

    Args:
        embedder: The model.
        views: The views whose embeddings are added up.
        scales: The scales whose embeddings are added up.
    """
    return {
        **embedder.description(),
        "preparation": embedder.preparation,
        "tta": list(views),
        "scales": list(scales),
    }


def refuse_unlike(photos: Mapping[str, Any], sets: Sequence[EmbeddingSet], flags: str = "") -> None:
    """Raises a `UserError` unless the sets were embedded in the same way as photos are.

    Sets with a model digest must have the digest of the photos' model. Sets without one, such as
    imported rows, must name the model, and agree in the preparation, views and size that they
    record; see `notes`.

    Args:
        photos: How photos are embedded; see `description`.
        sets: The sets.
        flags: The flags that change how photos are embedded, for messages.
    """
    for one in sets:
        found = one.meta.get("model_digest")
        if found != photos["model_digest"] and (found or one.meta.get("model") != photos["model"]):
            # Another preparation gives another digest, but the setting is more helpful.
            prepared = Agreement()
            prepared.add("the photos searched for", {"preparation": photos.get("preparation")})
            prepared.add(one.folder, {"preparation": one.meta.get("preparation")})
            raise UserError(
                f"{one.folder}: expected a set embedded with {photos['model']} (model digest"
                f" {photos['model_digest'][:12]}…), found {json.dumps(found)[:14]}… of the model"
                f" {one.meta.get('model')}; embed it with this model, or name the --adapter that"
                " mapped it"
            )
    agreement = Agreement()
    ours = {name: value for name, value in photos.items() if name not in ("model", "model_digest")}
    agreement.add(f"the photos searched for{flags}", ours)
    for one in sets:
        theirs = {n: value for n, value in one.meta.items() if n not in ("model", "model_digest")}
        agreement.add(one.folder, theirs)


def notes(photos: Mapping[str, Any], sets: Sequence[EmbeddingSet]) -> list[str]:
    """A note for each set that could not be compared by its model's digest.

    Args:
        photos: How photos are embedded; see `description`.
        sets: Sets that `refuse_unlike` has accepted.
    """
    lines = []
    for one in sets:
        if one.meta.get("model_digest"):
            continue
        missing = [name for name in ("preparation", "tta") if not one.meta.get(name)]
        if not photos.get("preparation"):
            missing = [name for name in missing if name != "preparation"]
        not_known = f", nor its {' and '.join(missing)}" if missing else ""
        lines.append(
            f"{one.folder}: records no digest of its model{not_known}; it is taken to match because"
            f" it names the model {photos['model']}"
        )
    return lines
