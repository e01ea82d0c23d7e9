"""A digest that identifies a model's weights."""

import hashlib
import json
from typing import Any

import numpy as np

from glrtf.models.class_shards import read_whole


def weights_digest(model: Any) -> str:
    """SHA-256 of a Keras model's weights: equal for a run's checkpoint and its export."""
    digest = hashlib.sha256()
    for variable in model.variables:
        value = np.ascontiguousarray(read_whole(variable), np.float32)
        digest.update(json.dumps(value.shape).encode() + value.tobytes())
    return digest.hexdigest()
