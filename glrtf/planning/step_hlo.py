"""The real training step as an HLO program, for a compiler that lives elsewhere."""

from glrtf.config.training import TrainConfig


def training_step_hlo(config: TrainConfig, num_classes: int) -> bytes:
    """Builds one replica's update and lowers it.

    The step is the one that `glrtf.train` runs, augmentation, accumulation and
    optimizer included; only the reduction over replicas is absent, since one
    device is compiled for.

    Args:
        config: The training configuration; its precision is taken as
            mixed_bfloat16.
        num_classes: How many classes the head has; its weights are really made.

    Returns:
        A serialised HloModuleProto.
    """
    import tensorflow as tf

    from glrtf.training.accumulation import TrainStep
    from glrtf.training.inputs import Augmentation
    from glrtf.training.state import build_state

    state = build_state(config, num_classes, config.margin, 1e-4, "mixed_bfloat16")
    step = TrainStep(
        state.model,
        state.updater,
        accumulation_steps=config.accumulation_steps,
        prepare=Augmentation(config),
        clip_norm=config.clip_norm,
        average=state.average,
    )

    @tf.function(jit_compile=True, autograph=False)
    def update(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        return step(images, labels)

    lower = update.experimental_get_compiler_ir(
        tf.TensorSpec([config.batch_size, config.size, config.size, 3], tf.uint8),
        tf.TensorSpec([config.batch_size], tf.int32),
    )
    return _without_copies(lower(stage="hlo_serialized"))


def _without_copies(program: bytes) -> bytes:
    """Writes `copy` as a reshape to the same shape.

    The conversion to StableHLO knows no copies; both leave the numbers as they
    are, and the compiler inserts the copies that it needs itself.
    """
    from tensorflow.compiler.xla.service import hlo_pb2

    module = hlo_pb2.HloModuleProto.FromString(program)
    for computation in module.computations:
        for instruction in computation.instructions:
            if instruction.opcode == "copy":
                instruction.opcode = "reshape"
    return module.SerializeToString(deterministic=True)
