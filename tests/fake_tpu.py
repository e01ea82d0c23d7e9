"""A real TPUStrategy over CPUs: input pipelines run with it, steps can only be traced."""

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


def fake_tpu_strategy(job: str = "") -> Any:
    """Builds the strategy over all logical CPUs, or those of one job of a cluster."""
    import tensorflow as tf

    names = [device.name for device in tf.config.list_logical_devices("CPU")]
    names = [name for name in names if f"/job:{job}/" in name or not job]

    class Resolver(tf.distribute.cluster_resolver.ClusterResolver):
        task_type = "worker"
        task_id = 0
        environment = ""

        def get_tpu_system_metadata(self) -> _Metadata:
            hosts = len({name.rpartition("/device")[0] for name in names})
            devices = [_Device(_TPUName(name), "TPU") for name in names]
            return _Metadata(hosts, len(devices) // hosts, len(devices), devices)

        def cluster_spec(self) -> tf.train.ClusterSpec:
            return tf.train.ClusterSpec({})

        def master(self, *arguments: Any, **options: Any) -> str:
            return ""

        def num_accelerators(self, *arguments: Any, **options: Any) -> dict[str, int]:
            return {"TPU": len(names)}

    return tf.distribute.TPUStrategy(Resolver())
