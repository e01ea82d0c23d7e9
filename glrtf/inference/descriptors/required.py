"""What a model needs, checked before TensorFlow is loaded."""

from glrtf.config.descriptor import DescriptorConfig, RuntimeChoice
from glrtf.inference.descriptors import runtimes
from glrtf.inference.descriptors.kinds import Kind, is_own, kind_of
from glrtf.inference.embedder import Precision
from glrtf.inference.model_folders import require_workdir
from tfrecords_tools.errors import UserError


def require_model(
    option: str,
    model: str,
    checkpoint: str = "",
    precision: Precision = "float32",
    descriptor: DescriptorConfig | None = None,
    runtime: RuntimeChoice = "auto",
) -> Kind:
    """Checks that the model exists and that the settings apply to it.

    Args:
        option: The flag as typed, such as ``"--model"``.
        model: See `kind_of`.
        checkpoint: Which checkpoint of the workdir; empty means the last.
        precision: The precision of its arithmetic, float32 or bfloat16.
        descriptor: The flags that describe its input and output.
        runtime: The runtime chosen for it.

    Raises:
        UserError: If the model or checkpoint does not exist, or a setting is for another kind of
            model.
    """
    kind = kind_of(option, model)
    given = sorted(descriptor.given) if descriptor else []
    if given and is_own(model, kind):
        raise UserError(
            f"--descriptor.{given[0]}: expected none for {model}, which this project trained, so"
            " that its preparation is known; leave it out"
        )
    if kind == "workdir":
        require_workdir(option, model, checkpoint)
    runtimes.choose(option, model, kind, runtime, precision)
    return kind
