"""Checks that embedding sets were made the same way, so that their rows are comparable.

A photo's embedding depends on the model and the precision it computed in, on the views and
scales that were added up, and on how photos were resized to the model's size. Rows made differently
have the same length and look valid, but their similarities mean less.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from tfrecords_tools.errors import UserError

_OPTIONS = {
    **{"size": "size", "max_side": "max_side", "antialias": "antialias"},
    **{"precision": "--precision", "tta": "--tta", "scales": "--scales"},
}


class Agreement:
    """How the sets of one comparison were made; each added set must agree with the others.

    Properties that a set does not record are not compared.
    """

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], tuple[str, Any]] = {}
        self._models: dict[int, list[_Model]] = {}

    def add(self, name: str, meta: Mapping[str, Any], place: int = 0) -> None:
        """Compares a set with those added before.

        Args:
            name: Its name in messages, such as ``--index sets/index``.
            meta: The description of its rows: model, model_digest, size, max_side (0 for none),
                antialias, precision, tta, scales, and preparation for another project's model;
                joined, a list of these for the models of mapped rows. Names of models are compared
                if one of two sets has no digest.
            place: The index of its model, if several are joined.

        Raises:
            UserError: If it was made with another model or other settings.
        """
        self._compare_preparations(name, meta, place)
        self._compare_models(name, meta, place)
        self._compare_options(name, meta, str(place))
        for number, of_model in enumerate(meta.get("joined") or []):
            self._compare_options(f"{name}, model {number + 1}", of_model, f"{place}.{number}")

    def _compare_options(self, name: str, meta: Mapping[str, Any], place: str) -> None:
        for key in _OPTIONS:
            if meta.get(key) is None:
                continue
            value = _comparable(meta[key])
            other, known = self._first.setdefault((place, key), (name, value))
            if value == known:
                continue
            raise UserError(
                f"{name}: expected embeddings with {_OPTIONS[key]} {_shown(known)} as {other}, "
                f"found {_OPTIONS[key]} {_shown(value)}; embed both with the same settings"
            )

    def _compare_preparations(self, name: str, meta: Mapping[str, Any], place: int) -> None:
        """Compared before the digests, which include it: an error then names the setting."""
        value = meta.get("preparation")
        if value is None:
            return
        other, known = self._first.setdefault((str(place), "preparation"), (name, value))
        if value != known:
            raise UserError(
                f"{name}: expected embeddings of photos prepared as for {other}"
                f" ({_difference(known, value)}); embed both with the same --descriptor settings"
            )

    def _compare_models(self, name: str, meta: Mapping[str, Any], place: int) -> None:
        model = _Model(name, meta.get("model"), meta.get("model_digest"))
        known = self._models.setdefault(place, [])
        for other in known:
            if not model.may_be(other):
                raise UserError(
                    f"{name}: expected embeddings of the same model as {other.where}"
                    f"{other.named()}, found another model's{model.named()}; embed both with one"
                    " model, or name the sets in the same order"
                )
        known.append(model)


class _Model(NamedTuple):
    """The model that a set records."""

    where: str
    name: str | None
    digest: str | None

    def may_be(self, other: "_Model") -> bool:
        """Whether the two may be the same model."""
        if self.digest and other.digest:
            return self.digest == other.digest
        return not (self.name and other.name) or self.name == other.name

    def named(self) -> str:
        return f" ({self.name})" if self.name else ""


def _comparable(value: Any) -> Any:
    """Views and scales are summed, so their order does not matter."""
    return sorted(value, key=str) if isinstance(value, list | tuple) else value


def _difference(expected: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """The first setting of a manifest that differs."""
    keys = [*expected, *(key for key in found if key not in expected)]
    key = next(key for key in keys if expected.get(key) != found.get(key))
    return f"{key} {_shown(expected.get(key))}, found {_shown(found.get(key))}"


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(f"{each:g}" if isinstance(each, float) else str(each) for each in value)
    return str(value)
