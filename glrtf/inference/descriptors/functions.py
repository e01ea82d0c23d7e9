"""package.module:function as a model: any code that returns a row for each image."""

from typing import Any

import numpy as np

from glrtf.inference.descriptors.raw_models import RawModel, TensorInfo
from glrtf.models.functions import find_function, function_digest


def load(name: str) -> RawModel:
    """A function of prepared images (n, size, size, 3) to rows (n, d).

    Its digest covers its module's source and, if the function has one, its attribute ``digest``
    (text), which should identify the weights that it loads.
    """
    function = find_function(name)
    digest = function_digest(name, function)

    def run(images: Any, *_: str) -> np.ndarray:
        return np.asarray(function(images))

    images, rows = TensorInfo("images", None, ""), TensorInfo("rows", None, "")
    return RawModel([images], [rows], run, digest, "python", source=function)
