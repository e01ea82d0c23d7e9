"""The resize that a model's input needs, on the host."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from glrtf.data import host_resize, numpy_resize
from glrtf.data.input_spec import ForeignSpec, InputSpec

HostResize: TypeAlias = Callable[[np.ndarray, np.ndarray], None]
"""Resizes its first argument, uint8 (h, w, 3), into the second, uint8 of `InputSpec.shape`."""


def host_resizer(spec: InputSpec) -> HostResize:
    """How a decoded photo becomes a model's input, uint8 of `InputSpec.shape`, on the host.

    Of this project's own models exactly as their export's graph does. TensorFlow is not loaded.
    """

    def own(image: np.ndarray, place: np.ndarray) -> None:
        place[...] = numpy_resize.resize(image, spec.size, spec.antialias)

    if not isinstance(spec, ForeignSpec):
        return own
    return _on_canvas(spec) if spec.resize == "keep" else _prepared(spec)


def _prepared(spec: ForeignSpec) -> HostResize:
    def prepare(image: np.ndarray, place: np.ndarray) -> None:
        place[...] = host_resize.prepare(image, spec)

    return prepare


def _on_canvas(spec: ForeignSpec) -> HostResize:
    from glrtf.data import padding

    return lambda image, place: padding.put(host_resize.prepare(image, spec), place)
