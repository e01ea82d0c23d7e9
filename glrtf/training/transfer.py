"""The initial weights of a new run, from files or another run."""

from glrtf.config.backbone_names import plain_name
from glrtf.config.training import TrainConfig
from glrtf.data.teacher_rows import open_rows
from glrtf.embeddings.principal import principal_map
from glrtf.models.arrays import assign
from glrtf.models.class_shards import whole_shape
from glrtf.models.weights import load_backbone
from glrtf.training import checkpoints
from glrtf.training.state import TrainState


def initialise(state: TrainState, config: TrainConfig) -> str:
    """Loads the weights that the settings name into a fresh state.

    Args:
        state: With random weights.
        config: With `weights` or `init_from`.

    Returns:
        What was loaded, as text for the user.

    Raises:
        UserError: If the source is missing, damaged or from another model.
    """
    if config.init_from:
        message = _from_run(state, config.init_from)
    else:
        backbone = state.model.embedding_model.get_layer(f"backbone_{plain_name(config.backbone)}")
        load_backbone(backbone, config.backbone, config.weights)
        message = "random weights" if config.weights == "none" else f"weights of {config.weights}"
    distillation = state.model.distillation
    if distillation is not None and distillation.projection == "pca":
        rows = open_rows(config.distill)
        distillation.project_rows(*principal_map(rows, config.embedding_dim))
    if state.average is not None:
        state.average.reset()
    return message


def _from_run(state: TrainState, source: str) -> str:
    """Loads another run's model, and its head if that has the same shape."""
    found = checkpoints.find(source)
    arrays = checkpoints.with_average(found.arrays())
    embedding = checkpoints.embedding_arrays(state.model.embedding_model)
    head = state.head_variables()
    fits = all(
        name in arrays and tuple(arrays[name].shape) == whole_shape(variable)
        for name, variable in head.items()
    )
    assign(embedding | head if fits else embedding, arrays, found.arrays_path)
    if fits:
        return f"weights of {found.arrays_path}"
    classes = found.position.num_classes
    return (
        f"weights of {found.arrays_path}, without its head of {classes} classes (newly initialised)"
    )
