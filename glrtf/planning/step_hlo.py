"""The real training step as an HLO program, for a compiler in another environment."""

import concurrent.futures

from glrtf.config.training import TrainConfig
from tfrecords_tools.command.process_pool import process_pool
from tfrecords_tools.errors import UserError


def lowered_apart(config: TrainConfig, num_classes: int, replicas: int = 1) -> bytes:
    """`training_step_hlo` in a separate process, so that its memory is released afterwards.

    Raises:
        UserError: If the step cannot be lowered.
    """
    try:
        with process_pool(1) as pool:
            return pool.submit(_lowered_or_reason, config, num_classes, replicas).result()
    except concurrent.futures.process.BrokenProcessPool:
        sharded = config.head_sharding == "classes"
        local_classes = -(-num_classes // replicas) if sharded else num_classes
        raise UserError(
            "--compile: lowering the step was killed; it needs about as much memory as 20 "
            f"bytes for each of the {local_classes:,} x {config.embedding_dim} head weights"
        ) from None


def _lowered_or_reason(config: TrainConfig, num_classes: int, replicas: int = 1) -> bytes:
    """Lowers; turns TensorFlow's errors into one line that can be sent between processes."""
    try:
        return training_step_hlo(config, num_classes, replicas)
    except UserError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(
            f"--compile: the step of {config.backbone} at {config.size} px cannot be lowered for "
            f"XLA ({type(error).__name__}: {reason})"
        ) from None


def training_step_hlo(config: TrainConfig, num_classes: int, replicas: int = 1) -> bytes:
    """Builds one replica's update and lowers it.

    The step is the one that `glrtf train` runs, augmentation, accumulation and
    optimizer included; only the communication between replicas is missing, since one device is
    compiled for. A head whose classes are split has one replica's classes and the images of all,
    with zeros for those of the others.

    Args:
        config: The training configuration; its precision is taken as
            mixed_bfloat16.
        num_classes: How many classes the head has; its weights are really created.
        replicas: Over how many replicas classes are split, where they are.

    Returns:
        A serialised HloModuleProto.
    """
    import tensorflow as tf

    from glrtf.models.kernels import LoneReplica
    from glrtf.models.kernels.tensorflow_norm import traced_for_tpu
    from glrtf.training.accumulation import TrainStep
    from glrtf.training.inputs import Augmentation
    from glrtf.training.state import build_state
    from glrtf.training.strategy import multiply_in_float32

    multiply_in_float32()
    state = build_state(
        config,
        num_classes,
        config.margin,
        1e-4,
        "mixed_bfloat16",
        replicas=LoneReplica(replicas),
    )
    step = TrainStep(
        state.model,
        state.updater,
        accumulation_steps=config.accumulation_steps,
        prepare=Augmentation(config, as_products=True),
        clip_norm=config.clip_norm,
        average=state.average,
    )

    @tf.function(jit_compile=True, autograph=False)
    def update(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        return step(images, labels)

    with traced_for_tpu():
        lower = update.experimental_get_compiler_ir(
            tf.TensorSpec([config.batch_size, config.size, config.size, 3], tf.uint8),
            tf.TensorSpec([config.batch_size], tf.int32),
        )
    return _without_copies(lower(stage="hlo_serialized"))


def _without_copies(program: bytes) -> bytes:
    """Writes `copy` as a reshape to the same shape.

    The conversion to StableHLO does not support copies; both leave the values unchanged, and the
    compiler inserts the copies that it needs.
    """
    from tensorflow.compiler.xla.service import hlo_pb2

    module = hlo_pb2.HloModuleProto.FromString(program)
    for computation in module.computations:
        for instruction in computation.instructions:
            if instruction.opcode == "copy":
                instruction.opcode = "reshape"
    return module.SerializeToString(deterministic=True)
