"""The LiteRT copy in an export's folder: the model that searches for single photos load.

TensorFlow takes ten seconds of processor time and 900 MB before it embeds one photo. LiteRT
takes a fifth of a second and 100 MB, and its rows agree to 1e-5.
"""

import importlib.util

from tfrecords_tools.storage import files

FILE_NAME = "lite.tflite"
MODULE = "ai_edge_litert"


def path_in(folder: str) -> str:
    """The copy in an export's folder, whether it exists or not."""
    return files.join(folder, FILE_NAME)


def is_installed() -> bool:
    """Whether LiteRT is installed; without it no copy is written, since each copy is verified."""
    return importlib.util.find_spec(MODULE) is not None


def is_usable(folder: str) -> bool:
    """Whether an export's folder has a copy that this environment can run."""
    return is_installed() and files.exists(path_in(folder))
