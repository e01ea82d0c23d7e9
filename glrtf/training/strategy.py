"""Which devices a run uses: one function from a word to a `tf.distribute` strategy."""

import os

import tensorflow as tf

from tfrecords_tools.errors import UserError


def make_strategy(kind: str, tpu: str = "") -> tf.distribute.Strategy:
    """The strategy of that kind. Call before any other TensorFlow operation.

    Args:
        kind: `cpu` (one replica on the CPU), `gpu` (one GPU), `mirrored` (all
            GPUs of this machine), `multiworker` (the cluster of TF_CONFIG),
            `tpu`, or `auto`: TPU if there is one, else all GPUs, else the CPU.
        tpu: For `tpu`, the node's name or grpc:// address; empty or `local`
            for the TPU of this virtual machine, pod slices included.

    Raises:
        UserError: If the devices asked for are not there.
    """
    if kind == "auto":
        kind = _best_kind(tpu)
    if kind == "cpu":
        return tf.distribute.OneDeviceStrategy("/cpu:0")
    if kind == "multiworker":
        return _multiworker()
    if kind == "tpu":
        return _tpu(tpu)
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        raise UserError(
            f"strategy: expected at least one GPU for {kind!r}, found none; "
            "check nvidia-smi, or use --strategy cpu"
        )
    if kind == "gpu":
        return tf.distribute.OneDeviceStrategy("/gpu:0")
    return tf.distribute.MirroredStrategy()


def choose_precision(precision: str, strategy: tf.distribute.Strategy) -> str:
    """`auto` -> mixed_bfloat16 on TPUs and GPUs, float32 on CPUs, which emulate bfloat16."""
    if precision != "auto":
        return precision
    on_cpu = all("CPU" in device.upper() for device in strategy.extended.worker_devices)
    return "float32" if on_cpu else "mixed_bfloat16"


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process is the one that writes files."""
    resolver = strategy.cluster_resolver
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy) or resolver is None:
        return True  # One process drives all replicas, TPU hosts included.
    if resolver.task_type in ("chief", "worker"):
        has_chief = "chief" in resolver.cluster_spec().as_dict()
        return resolver.task_type == "chief" or (not has_chief and resolver.task_id == 0)
    return resolver.task_type is None


def _best_kind(tpu: str) -> str:
    if tpu or os.environ.get("TPU_NAME") or os.path.exists("/dev/accel0"):
        return "tpu"
    return "mirrored" if tf.config.list_physical_devices("GPU") else "cpu"


def _multiworker() -> tf.distribute.Strategy:
    if not os.environ.get("TF_CONFIG"):
        raise UserError(
            "strategy: expected the cluster in the environment variable TF_CONFIG for "
            "multiworker, found none; set it on every worker, or use --strategy mirrored"
        )
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except (ValueError, TypeError) as error:
        raise UserError(
            f"TF_CONFIG: expected a cluster and this task's place in it ({error})"
        ) from None


def _tpu(name: str) -> tf.distribute.Strategy:
    address = "local" if name in ("", "local") and not os.environ.get("TPU_NAME") else name
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=address or None)
        if address != "local":
            tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except Exception as error:
        # The resolver fails in many ways: no metadata server, no such node, no driver.
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise UserError(
            f"tpu: expected a TPU named {address or os.environ.get('TPU_NAME')!r}, could not "
            f"reach one ({reason[:200]}); check the name and zone (gcloud compute tpus list) and "
            "that tensorflow-tpu is installed"
        ) from None
    return tf.distribute.TPUStrategy(resolver)
