"""A real TPUStrategy over logical CPUs: steps can be traced with it, not run."""

import collections
from typing import Any

_Device = collections.namedtuple("_Device", "name device_type")
_Metadata = collections.namedtuple("_Metadata", "num_hosts num_of_cores_per_host num_cores devices")


class _TPUName(str):
    """A CPU's name that passes for a TPU's where TPUStrategy looks for `device:TPU:` in it.

    Placement reads the whole string, and so finds a device that exists.
    """

    __slots__ = ()

    def __contains__(self, part: object) -> bool:
        return part == "device:TPU:" or (isinstance(part, str) and super().__contains__(part))


def fake_tpu_strategy() -> Any:
    """Builds the strategy over all logical CPUs."""
    import tensorflow as tf

    class Resolver(tf.distribute.cluster_resolver.ClusterResolver):
        task_type = "worker"
        task_id = 0
        environment = ""

        def get_tpu_system_metadata(self) -> _Metadata:
            names = [device.name for device in tf.config.list_logical_devices("CPU")]
            devices = [_Device(_TPUName(name), "TPU") for name in names]
            return _Metadata(1, len(devices), len(devices), devices)

        def cluster_spec(self) -> tf.train.ClusterSpec:
            return tf.train.ClusterSpec({})

        def master(self, *arguments: Any, **options: Any) -> str:
            return ""

        def num_accelerators(self, *arguments: Any, **options: Any) -> dict[str, int]:
            return {"TPU": len(tf.config.list_logical_devices("CPU"))}

    return tf.distribute.TPUStrategy(Resolver())
