import dataclasses

import keras
import numpy as np
import pytest
from tiny_models import tiny_model

from glrtf.config.training import TrainConfig
from glrtf.models.arrays import write_arrays
from glrtf.training import checkpoints
from glrtf.training.optimizers import Updater
from glrtf.training.state import TrainState
from glrtf.training.transfer import initialise
from tfrecords_tools.errors import UserError


def state_of(classes, seed, ema=0.0):
    model = tiny_model(classes, seed=seed)
    return TrainState(model, Updater("adam", 1e-3, model.trainable_variables), ema)


def saved(folder, state, classes):
    position = checkpoints.Position(update=7, epoch=1.0, num_classes=classes, global_batch_size=4)
    return checkpoints.write(str(folder / "checkpoints"), state.arrays(), position)


def test_another_run_gives_its_model_and_its_head_where_that_fits(tmp_path):
    old, new = state_of(5, seed=1), state_of(5, seed=2, ema=0.9)
    saved(tmp_path, old, 5)
    message = initialise(new, TrainConfig(size=64, init_from=str(tmp_path)))
    assert message == f"weights of {tmp_path}/checkpoints/images-000000000028.npz"
    arrays = old.arrays()
    for name, variable in new.model_variables().items():
        np.testing.assert_array_equal(variable.numpy(), arrays[name])
    # The moving average starts from the transferred weights, the optimizer from zero.
    for weight, average in zip(new.model.trainable_variables, new.average.variables, strict=True):
        np.testing.assert_array_equal(average.numpy(), weight.numpy())
    assert int(new.updater.iterations.numpy()) == 0


def test_with_other_classes_the_head_is_new_and_the_message_says_so(tmp_path):
    old, new = state_of(5, seed=1), state_of(9, seed=2)
    head = new.model.head.centers.numpy()
    saved(tmp_path, old, 5)
    message = initialise(new, TrainConfig(init_from=str(tmp_path)))
    assert message.endswith("without its head of 5 classes (newly initialised)")
    np.testing.assert_array_equal(new.model.head.centers.numpy(), head)
    np.testing.assert_array_equal(
        new.model.embedding_model.get_layer("conv").kernel.numpy(),
        old.model.embedding_model.get_layer("conv").kernel.numpy(),
    )


def test_averaged_weights_are_what_another_run_gives(tmp_path):
    old = state_of(5, seed=1, ema=0.9)
    old.average.variables[0].assign(np.full(old.average.variables[0].shape, 0.25))
    saved(tmp_path, old, 5)
    new = state_of(5, seed=2)
    initialise(new, TrainConfig(init_from=str(tmp_path)))
    assert (new.model.trainable_variables[0].numpy() == 0.25).all()


def _cut(path):
    path.write_bytes(path.read_bytes()[:-40])


def _foreign(path):
    write_arrays(str(path), {"layer/kernel": np.zeros(3, np.float32)})


DAMAGE = {
    "cut": (_cut, r"images-000000000028\.npz: digest: expected .* damaged"),
    "empty": (lambda path: path.write_bytes(b""), r"images-000000000028\.npz: digest: .* damaged"),
    "gone": (lambda path: path.unlink(), r"images-000000000028\.npz: no such file"),
    "foreign": (_foreign, r"images-000000000028\.npz: digest: expected .* damaged"),
    "empty json": (
        lambda path: path.with_suffix(".json").write_bytes(b""),
        r"images-000000000028\.json: not a JSON file",
    ),
    "foreign json": (
        lambda path: path.with_suffix(".json").write_text('{"a": 1}'),
        r"images-000000000028\.json: expected a checkpoint's JSON file of format 1",
    ),
    "list json": (
        lambda path: path.with_suffix(".json").write_text("[1]"),
        r"images-000000000028\.json: expected an object, found a list",
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_checkpoint_is_one_line_and_changes_nothing(tmp_path, kind):
    damage, message = DAMAGE[kind]
    saved(tmp_path, state_of(5, seed=1), 5)
    new = state_of(5, seed=2)
    before = new.arrays()
    damage(tmp_path / "checkpoints" / "images-000000000028.npz")
    with pytest.raises(UserError, match=message) as error:
        initialise(new, TrainConfig(init_from=str(tmp_path)))
    assert "\n" not in str(error.value)
    for name, value in new.arrays().items():
        np.testing.assert_array_equal(value, before[name])


def test_another_models_checkpoint_is_named_by_what_does_not_fit(tmp_path):
    images = keras.Input((None, None, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 5, name="conv")(images))
    other = state_of(5, seed=1)
    other.model.embedding_model = keras.Model(images, x)
    saved(tmp_path, other, 5)
    with pytest.raises(
        UserError, match=r"conv/kernel: expected the shape \(3, 3, 3, 4\), found \(5, 5, 3, 4\)"
    ):
        initialise(state_of(5, seed=2), TrainConfig(init_from=str(tmp_path)))
    nowhere = dataclasses.replace(TrainConfig(), init_from=str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="expected a workdir with checkpoints, found none"):
        initialise(state_of(5, seed=2), nowhere)
