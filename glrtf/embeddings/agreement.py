"""Whether embedding sets were made alike, so that their rows may be compared.

A photo's embedding depends on the model and the precision it computed in, on the views and
scales that were added up, and on how photos were brought to the model's size. Rows made
otherwise are of the same length and look sound, but their similarities mean less.
"""

from collections.abc import Mapping
from typing import Any

from tfrecords_tools.errors import UserError

_OPTIONS = {
    **{"size": "size", "max_side": "max_side", "antialias": "antialias"},
    **{"precision": "--precision", "tta": "--tta", "scales": "--scales"},
}


class Agreement:
    """What the sets of one comparison were made with; each set added must agree with the others.

    What a set does not say of itself is not compared.
    """

    def __init__(self) -> None:
        self._first: dict[tuple[int, str], tuple[str, Any]] = {}

    def add(self, name: str, meta: Mapping[str, Any], place: int = 0) -> None:
        """Compares a set with those added before.

        Args:
            name: What messages call it, such as ``--index sets/index``.
            meta: What it says of its rows: model_digest, size, max_side (0 for none), antialias,
                precision, tta, scales, and preparation for another project's model.
            place: Which model's it is, where several are joined.

        Raises:
            UserError: If it was made with another model or other settings.
        """
        for key in ("preparation", "model_digest", *_OPTIONS):
            if meta.get(key) is None:
                continue
            value = _comparable(meta[key])
            other, known = self._first.setdefault((place, key), (name, value))
            if value == known:
                continue
            if key == "preparation":
                raise UserError(
                    f"{name}: expected embeddings of photos prepared as for {other}"
                    f" ({_difference(known, value)}); embed both with the same --descriptor"
                    " settings"
                )
            if key == "model_digest":
                raise UserError(
                    f"{name}: expected embeddings of the same model as {other}, found another "
                    "model's; embed both with one model, or name the sets in the same order"
                )
            raise UserError(
                f"{name}: expected embeddings with {_OPTIONS[key]} {_shown(known)} as {other}, "
                f"found {_OPTIONS[key]} {_shown(value)}; embed both with the same settings"
            )


def _comparable(value: Any) -> Any:
    """Views and scales are added up, so their order does not matter."""
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
