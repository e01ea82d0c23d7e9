import dataclasses

import pytest
import tensorflow as tf

from glrtf.config.training import TrainConfig
from glrtf.planning import step_hlo
from tfrecords_tools.errors import UserError

_CONFIG = TrainConfig(backbone="v2b0", size=32, batch_size=4, accumulation_steps=2)


@pytest.mark.usefixtures("small_network")
def test_the_program_is_the_training_step_without_copies():
    from tensorflow.compiler.xla.service import hlo_pb2

    module = hlo_pb2.HloModuleProto.FromString(step_hlo.training_step_hlo(_CONFIG, 7))
    opcodes = {i.opcode for c in module.computations for i in c.instructions}
    # Accumulating is a loop; the conversion to StableHLO knows no copies.
    assert {"convolution", "dot", "while"} <= opcodes and "copy" not in opcodes
    shapes = [tuple(s.dimensions) for s in module.host_program_shape.parameters]
    assert (4, 32, 32, 3) in shapes and (7, 512) in shapes


@pytest.mark.usefixtures("small_network")
def test_a_split_head_is_one_replicas_with_the_images_of_all():
    from tensorflow.compiler.xla.service import hlo_pb2

    config = dataclasses.replace(_CONFIG, head_sharding="classes", ema_momentum=0.9)
    program = step_hlo.training_step_hlo(config, 70, replicas=8)
    module = hlo_pb2.HloModuleProto.FromString(program)
    shapes = [tuple(s.dimensions) for s in module.host_program_shape.parameters]
    # Weight, its average and two moments, of nine of the 70 classes.
    assert shapes.count((9, 512)) == 4 and (70, 512) not in shapes
    products = [
        tuple(i.shape.dimensions)
        for computation in module.computations
        for i in computation.instructions
        if i.opcode == "dot"
    ]
    assert (2 * 8, 9) in products  # Logits of the micro-batches of eight replicas.


def test_a_failed_lowering_is_reported_in_one_line(monkeypatch):
    def broken(*arguments):
        raise tf.errors.UnimplementedError(None, None, "no kernel\nfor this op")

    monkeypatch.setattr(step_hlo, "training_step_hlo", broken)
    with pytest.raises(UserError, match=r"v2b0 at 32 px cannot be lowered .*no kernel for this op"):
        step_hlo._lowered_or_reason(_CONFIG, 7)


def test_a_mistake_comes_out_of_the_other_process():
    # The head's own refusal, raised over there, is the user's to mend.
    config = dataclasses.replace(_CONFIG, init_from="/no/such/run")
    with pytest.raises(UserError, match=r"no/such/run|cannot be lowered"):
        step_hlo.lowered_apart(config, -1)
