"""Adapters: maps that were fitted on a model's rows and belong to that model.

An adapter is one affine layer (whitening, or a trained linear map) or several with ReLU between
them; its result is divided by its length. Its folder holds ``adapter.npz``, the layers, and
``adapter.json``: the models whose rows it takes, and what it was fitted on.
"""

import dataclasses
import hashlib
import io
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from glrtf.embeddings.rows import normalized
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files, json_shapes
from tfrecords_tools.storage.array_files import load_archive

INFO_FILE = "adapter.json"
LAYERS_FILE = "adapter.npz"


class ModelName(TypedDict):
    """The model of a set's rows."""

    model: str | None
    model_digest: str | None


class AdapterInfo(TypedDict):
    """adapter.json."""

    label: str
    digest: str
    dimension: int
    models: list[ModelName]
    votes: list[float]
    layers_sha256: str
    fitted: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Adapter:
    """A fitted map.

    Attributes:
        layers: (weight (d_in, d_out), bias (d_out,)) float32 of each layer.
        models: The models whose rows it takes, joined in this order.
        votes: The votes with which they are joined.
        label: The word that its kind adds to the models' names: ``whitened`` or ``adapted``.
        digest: SHA-256 that changes with the map.
        fitted: What it was fitted on and how, JSON values.
    """

    layers: tuple[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]], ...]
    models: tuple[ModelName, ...]
    votes: tuple[float, ...]
    label: str
    digest: str
    fitted: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def input_dimension(self) -> int:
        """The length of the rows that it takes."""
        return len(self.layers[0][0])

    @property
    def dimension(self) -> int:
        """The length of the rows that it returns."""
        return len(self.layers[-1][1])

    def apply(self, rows: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """Maps rows: (n, d_in) floats to (n, d_out) float32 of length 1."""
        return self.exactly(rows).astype(np.float32)

    def exactly(self, rows: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Like `apply`, in float64."""
        mapped = rows.astype(np.float64)
        for number, (weight, bias) in enumerate(self.layers):
            if number:
                np.maximum(mapped, 0, out=mapped)
            mapped = mapped @ weight.astype(np.float64) + bias
        return normalized(mapped)

    def meta(self, models: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The description of the model in a set of mapped rows.

        Args:
            models: The descriptions of the unmapped sets, one per model.
        """
        names = [str(one.get("model") or "unnamed") for one in models]
        known = [one.get("model_digest", one.get("model")) for one in models]
        return {
            "model": f"{' + '.join(names)}, {self.label}",
            "model_digest": files.json_digest([known, self.digest]),
        }

    def require_models(self, name: str, models: Sequence[Mapping[str, Any]]) -> None:
        """Raises a `UserError` unless rows of these models are those that it was fitted on.

        Args:
            name: The rows' name in messages.
            models: The descriptions of their sets, one per model.
        """
        if len(models) != len(self.models):
            raise UserError(
                f"{name}: expected the {len(self.models)} models that the adapter was fitted on,"
                f" found {len(models)}"
            )
        for found, known in zip(models, self.models, strict=True):
            digests = found.get("model_digest"), known["model_digest"]
            same = (
                digests[0] == digests[1] if all(digests) else found.get("model") == known["model"]
            )
            if not same:
                raise UserError(
                    f"{name}: expected rows of the model {known['model']}, on which the adapter"
                    f" was fitted, found those of {found.get('model') or 'an unnamed one'}; fit"
                    " an adapter on this model's rows"
                )


def save(folder: str, adapter: Adapter) -> None:
    """Writes an adapter's folder, its description last."""
    buffer = io.BytesIO()
    arrays: dict[str, np.ndarray] = {}
    for number, (weight, bias) in enumerate(adapter.layers):
        arrays |= {f"weight_{number}": weight, f"bias_{number}": bias}
    np.savez(buffer, allow_pickle=False, **arrays)
    path = files.join(folder, LAYERS_FILE)
    files.write_bytes(path, buffer.getvalue())
    info: AdapterInfo = {
        "label": adapter.label,
        "digest": adapter.digest,
        "dimension": adapter.dimension,
        "models": list(adapter.models),
        "votes": list(adapter.votes),
        "layers_sha256": files.sha256(path),
        "fitted": dict(adapter.fitted),
    }
    files.write_json(files.join(folder, INFO_FILE), info)


def load(folder: str) -> Adapter:
    """Reads an adapter's folder.

    Raises:
        UserError: If it is missing, damaged, or not written by `save`.
    """
    path = files.join(folder, LAYERS_FILE)
    info_path = files.join(folder, INFO_FILE)
    if not files.exists(info_path):
        raise UserError(
            f"{folder}: expected an adapter's folder with {INFO_FILE}, as `glrtf adapt` and"
            " `glrtf whiten` write it, found none"
        )
    info = json_shapes.read(info_path, AdapterInfo)
    if files.sha256(path) != info["layers_sha256"]:
        raise UserError(f"{path}: changed since it was written; fit the adapter again")
    arrays = load_archive(path, "an adapter")
    layers = []
    for number in range(len(arrays) // 2):
        layer = arrays.get(f"weight_{number}"), arrays.get(f"bias_{number}")
        if layer[0] is None or layer[1] is None or layer[0].shape[1:] != layer[1].shape:
            raise UserError(f"{path}: expected weight_{number} and bias_{number} that fit")
        layers.append((layer[0], layer[1]))
    pairs = itertools.pairwise(layers)
    fits = all(len(after[0]) == len(before[1]) for before, after in pairs)
    if not layers or not fits:
        raise UserError(f"{path}: expected layers that fit each other, found others")
    return Adapter(
        layers=tuple(layers),
        models=tuple(info["models"]),
        votes=tuple(info["votes"]),
        label=info["label"],
        digest=info["digest"],
        fitted=info["fitted"],
    )


def digest_of(layers: Sequence[tuple[np.ndarray, np.ndarray]]) -> str:
    """SHA-256 over the layers' shapes and numbers."""
    content = hashlib.sha256()
    for array in (each for layer in layers for each in layer):
        content.update(repr(array.shape).encode() + np.ascontiguousarray(array).tobytes())
    return content.hexdigest()


def model_names(metas: Sequence[Mapping[str, Any]]) -> tuple[ModelName, ...]:
    """The models of sets, for `Adapter.models`."""
    return tuple(
        {"model": meta.get("model"), "model_digest": meta.get("model_digest")} for meta in metas
    )
