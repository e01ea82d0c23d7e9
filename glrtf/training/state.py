"""Everything that training changes, saved and restored together."""

import numpy as np

from glrtf.config.keras_settings import keras
from glrtf.config.training import TrainConfig
from glrtf.models.arrays import assign
from glrtf.models.class_shards import read_whole
from glrtf.models.distillation import Distillation
from glrtf.models.kernels import Replicas
from glrtf.models.retrieval_model import (
    RetrievalModel,
    embedding_model_from_config,
    head_from_config,
)
from glrtf.training import checkpoints
from glrtf.training.averaging import WeightAverage
from glrtf.training.fine_tuning import frozen_backbone, rate_factors
from glrtf.training.optimizers import Updater

# Apart from each layer's own seed; a prime, so that sums of the two rarely meet.
SEED_STRIDE = 1_000_003


class TrainState:
    """Model, optimizer and moving average; create it in the strategy's scope.

    It does not include random numbers: they follow from the seed and the number of updates.

    Args:
        model: What is trained. updater: Its optimizer.
        ema_momentum: Momentum of the weights' moving average; 0 for none.
    """

    def __init__(self, model: RetrievalModel, updater: Updater, ema_momentum: float = 0.0) -> None:
        self.model = model
        self.updater = updater
        self.average: WeightAverage | None = None
        if ema_momentum:
            self.average = WeightAverage(
                model.trainable_variables, ema_momentum, updater.iterations
            )

    def variables(self) -> dict[str, keras.Variable]:
        """All variables under their names in a checkpoint."""
        named = self.model_variables()
        for variable in self.updater.variables:
            named[variable.path] = variable
        if self.average is not None:
            named |= self._average_variables()
        return named

    def model_variables(self) -> dict[str, keras.Variable]:
        """The embedding model's, the head's and those of distillation."""
        named = checkpoints.embedding_arrays(self.model.embedding_model) | self.head_variables()
        if self.model.distillation is not None:
            named |= {f"distillation/{v.name}": v for v in self.model.distillation.weights}
        return named

    def head_variables(self) -> dict[str, keras.Variable]:
        """The head's."""
        return {f"head/{variable.name}": variable for variable in self.model.head.weights}

    def arrays(self) -> dict[str, np.ndarray]:
        """The variables' values, for a checkpoint."""
        return {name: read_whole(variable) for name, variable in self.variables().items()}

    def restore(self, checkpoint: checkpoints.Checkpoint) -> None:
        """Loads all values of a checkpoint of this run.

        Raises:
            UserError: If it is damaged or from another model.
        """
        assign(self.variables(), checkpoint.arrays(), checkpoint.arrays_path)

    def _average_variables(self) -> dict[str, keras.Variable]:
        assert self.average is not None
        names = {id(v): name for name, v in self.model_variables().items()}
        sources = self.model.trainable_variables
        return {
            f"average/{names[id(source)]}": average
            for source, average in zip(sources, self.average.variables, strict=True)
        }


def build_state(
    config: TrainConfig,
    num_classes: int,
    margin: float | list[float],
    learning_rate: keras.optimizers.schedules.LearningRateSchedule | float,
    precision: str,
    replicas: Replicas | None = None,
    freeze_updates: int = 0,
    row_width: int = 0,
) -> TrainState:
    """Builds what a run's settings describe; call it in the strategy's scope.

    Args:
        config: The run's settings.
        num_classes: Classes of the head.
        margin: The head's margin, one for all or one a class.
        learning_rate: A rate or a schedule over updates.
        precision: `float32` or `mixed_bfloat16`.
        replicas: The replicas over which the head's classes are split, if they are; None for those
            of the strategy.
        freeze_updates: Updates of `config.freeze_epochs`.
        row_width: Length of the rows that the model learns from; 0 for none.
    """
    head = head_from_config(config, num_classes, margin, replicas)
    head.unlabelled = bool(config.distill.extra_data)
    embedding_model = embedding_model_from_config(config, precision, any_size=True)
    distillation = None
    if row_width:
        distillation = Distillation(
            config.distill, row_width, config.embedding_dim, seed=config.seed + 4
        )
    model = RetrievalModel(embedding_model, head, config.remat == "blocks", distillation)
    updater = Updater(
        config.optimizer,
        learning_rate,
        model.trainable_variables,
        config.weight_decay,
        rate_factors(config, embedding_model, model.trainable_variables),
        frozen_backbone(config, embedding_model, freeze_updates),
    )
    return TrainState(model, updater, config.ema_momentum)


def statistics(model: keras.layers.Layer) -> list[keras.Variable]:
    """The non-trainable weights that training changes, such as BatchNorm's; no random seeds."""
    return [v for v in model.non_trainable_variables if not is_seed(v)]


def is_seed(variable: keras.Variable) -> bool:
    """Whether a variable is a layer's random state: (seed, calls so far)."""
    return variable.name == "seed_generator_state"
