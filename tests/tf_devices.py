"""TensorFlow with two logical CPU devices, for tests of tf.distribute."""

import functools
from typing import Any


@functools.cache
def two_replicas() -> Any:
    """The one MirroredStrategy of this process on the two devices.

    Two of them would count their collective operations alike, and the second
    would be mistaken for a wrong repetition of the first.
    """
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(two_cpus())


def two_cpus() -> list[str]:
    """Splits the CPU in two; must run before TensorFlow's first operation."""
    import tensorflow as tf

    if len(tf.config.list_logical_devices("CPU")) < 2:
        raise RuntimeError("TensorFlow ran before the CPU was split: call split_cpu() in conftest")
    return ["CPU:0", "CPU:1"]


def pytest_collectstart(collector: object) -> None:
    """The hook of every conftest.py whose folder's tests run TensorFlow.

    A process of pytest-xdist that only hands out tests collects none, and imports no TensorFlow.
    """
    split_cpu()


def split_cpu() -> None:
    """Splits the CPU in two, unless that is done."""
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    if tf.config.get_logical_device_configuration(cpu) is None:
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * 2
        )
