"""The resize that a model's input needs, on the host."""

import numpy as np

from glrtf.data import decoding, host_resize, padded_images
from glrtf.data.decoding import HostResize
from glrtf.data.input_spec import ForeignSpec, InputSpec


def host_resizer(spec: InputSpec) -> HostResize:
    """How a decoded photo becomes a model's input, uint8 of `InputSpec.shape`, on the host.

    Of this project's own models exactly as their export's graph does.
    """
    if not isinstance(spec, ForeignSpec):
        return decoding.exact_resize(spec.size, spec.antialias)

    def prepare(image: np.ndarray, place: np.ndarray) -> None:
        prepared = host_resize.prepare(image, spec)
        if spec.resize == "keep":
            padded_images.put(prepared, place)
        else:
            place[...] = prepared

    return prepare
