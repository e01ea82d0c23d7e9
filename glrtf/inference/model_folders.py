"""What a model folder contains, without loading it or TensorFlow."""

from glrtf.training import checkpoints
from tfrecords_tools.command import expected
from tfrecords_tools.errors import UserError

INFO_NAME = "glrtf_export.json"
"""The description in an exported SavedModel's folder."""


def export_info_path(path: str) -> str:
    """Where the description of an exported ONNX or TFLite file is."""
    return f"{path}.json"


def require_workdir(option: str, path: str, checkpoint: str = "", backbone: str = "") -> None:
    """Checks that a folder is a training run's, with a checkpoint.

    Raises:
        UserError: If it is not.
    """
    expected.folder(option, path)
    found = checkpoints.read_config(path, backbone).backbone
    if backbone and found != backbone:
        raise UserError(
            f"--backbone {backbone}: expected {found} as {path} was trained with, or none; leave it"
            " out"
        )
    checkpoints.find(path, checkpoint or None)
