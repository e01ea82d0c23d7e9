"""What a folder that is named as a model holds, without loading it or TensorFlow."""

from glrtf.training import checkpoints
from tfrecords_tools.command import expected
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files

INFO_NAME = "glrtf_export.json"
"""The description next to an exported SavedModel."""


def is_export(path: str) -> bool:
    """Whether a folder is an exported SavedModel, and else a training run's workdir.

    Raises:
        UserError: If it is neither.
    """
    if files.exists(files.join(path, INFO_NAME)):
        return True
    if files.exists(files.join(path, "saved_model.pb")):
        raise UserError(
            f"{path}: expected an export of this project, found a SavedModel without"
            f" {INFO_NAME}; export it with glrtf export"
        )
    if files.exists(files.join(path, "config.yaml")):
        return False
    raise UserError(
        f"{path}: expected an exported SavedModel or a training run's workdir, found"
        " neither; see glrtf export"
    )


def require_model(option: str, path: str, checkpoint: str = "", precision: str = "float32") -> None:
    """Checks that there is a model to load.

    Args:
        option: As it is typed, such as ``"--model"``.
        path: An export's folder, or a workdir.
        checkpoint: Which checkpoint of the workdir; empty means the last.
        precision: What it is to compute in, float32 or bfloat16.

    Raises:
        UserError: If there is none, the workdir has no such checkpoint, or it is an export,
            whose saved graph computes in float32, and another precision is requested.
    """
    expected.folder(option, path)
    if not is_export(path):
        require_workdir(option, path, checkpoint)
    elif precision != "float32":
        raise UserError(
            f"{option} {path}: expected a training run's workdir with --precision {precision},"
            " found an export, which computes in float32; name the workdir, or leave --precision"
            " out"
        )


def require_workdir(option: str, path: str, checkpoint: str = "") -> None:
    """Checks that a folder is a training run's, with a checkpoint.

    Raises:
        UserError: If it is not.
    """
    expected.folder(option, path)
    checkpoints.read_config(path)
    checkpoints.find(path, checkpoint or None)
