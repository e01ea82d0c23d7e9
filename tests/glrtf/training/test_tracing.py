"""Tracing takes seconds to minutes, so each step is traced once."""

import tensorflow as tf
from shard_writing import write_split
from tf_devices import two_replicas
from tiny_runs import trainer

from glrtf.config.training import TrainConfig
from glrtf.data.shards import open_shards
from glrtf.training import accumulation
from glrtf.training.validation import Validator


def test_a_run_traces_its_step_once_a_stage_and_validation_once(tmp_path, monkeypatch):
    write_split(tmp_path / "data" / "train", [12, 8])
    # 8 photos in batches of 6: the last batch is small, and must not be traced for itself.
    write_split(tmp_path / "data" / "validation", [8], split="validation")
    passes = []
    micro_batch = accumulation.TrainStep.micro_batch
    monkeypatch.setattr(
        accumulation.TrainStep,
        "micro_batch",
        lambda *arguments: passes.append(1) or micro_batch(*arguments),
    )
    config = TrainConfig(
        size=32,
        data=str(tmp_path / "data"),
        workdir=str(tmp_path / "run"),
        epochs=4,
        sizes=[32, 64],
        stage_epochs=[2, 2],
        batch_size=4,
        accumulation_steps=2,
    )
    strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    validations = []
    made, state = trainer(config, strategy=strategy)
    validator = Validator(
        strategy,
        state.model,
        open_shards(config.data, "validation"),
        size=32,
        batch_size=6,
    )
    made._validate = lambda: validations.append(1) or validator()
    steps = []
    compile_step = made._engine._compile
    made._engine._compile = lambda *of: steps.append(compile_step(*of)) or steps[-1]
    assert made.run().update == 20
    assert [step.experimental_get_tracing_count() for step in steps] == [1, 1]
    assert len(passes) == 2  # The loop over micro-batches traces its body once a stage.
    assert len(validations) == 4
    assert validator._step.experimental_get_tracing_count() == 1


def test_two_replicas_trace_the_pass_once_each(tmp_path, monkeypatch):
    write_split(tmp_path / "train", [12, 8])
    config = TrainConfig(
        size=32,
        data=str(tmp_path),
        workdir=str(tmp_path / "run"),
        epochs=2,
        batch_size=2,
        accumulation_steps=1,
    )
    made, _ = trainer(config, strategy=two_replicas())
    steps = []
    compile_step = made._engine._compile
    made._engine._compile = lambda *of: steps.append(compile_step(*of)) or steps[-1]
    assert made.run().update == 10
    assert [step.experimental_get_tracing_count() for step in steps] == [1]
