"""Which devices a run uses: one function from a name to a `tf.distribute` strategy."""

import contextlib
import json
import os
import re
import socket
import sys
from collections.abc import Iterator

import tensorflow as tf

from glrtf.training import accelerators
from tfrecords_tools.errors import UserError

_SECONDS_TO_ANSWER = 20
_FIRST_WITH_BFLOAT16 = (8, 0)
# The package that supports them; TPUs have several names and one package.
_PACKAGES = {"NVIDIA GPU": "tensorflow[and-cuda]", "AMD GPU": "tensorflow-rocm"}


def make_strategy(kind: str, tpu: str = "", *, fall_back: bool = False) -> tf.distribute.Strategy:
    """The strategy of that kind. Call before any other TensorFlow operation.

    Args:
        kind: `cpu` (one replica on the CPU), `gpu` (one GPU), `mirrored` (all
            GPUs of this machine), `multiworker` (the cluster of TF_CONFIG),
            `tpu`, or `auto`: TPU if there is one, else all GPUs, else the CPU.
        tpu: For `tpu`, the node's name or grpc:// address; empty or `local`
            for the TPU of this virtual machine. A pod slice must be named; run the command on one
            of its hosts.
        fall_back: Whether `auto` uses the CPU, with a note, if this machine has accelerators that
            TensorFlow does not support; otherwise that is an error.

    Raises:
        UserError: If the requested devices are missing.
    """
    multiply_in_float32()
    if kind == "auto":
        return _automatic(tpu, fall_back)
    if kind == "cpu":
        return tf.distribute.OneDeviceStrategy("/cpu:0")
    if kind == "multiworker":
        return _multiworker()
    if kind == "tpu":
        return _tpu(tpu)
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        raise UserError(
            f"--strategy: expected at least one GPU for {kind!r}, found none; "
            "check nvidia-smi, or use --strategy cpu"
        )
    if kind == "gpu":
        return tf.distribute.OneDeviceStrategy("/gpu:0")
    return tf.distribute.MirroredStrategy()


def is_one_cpu(strategy: tf.distribute.Strategy) -> bool:
    """Whether a strategy is one replica on this machine's CPU."""
    devices = " ".join(strategy.extended.worker_devices).upper()
    return strategy.num_replicas_in_sync == 1 and "CPU:" in devices


def multiply_in_float32() -> None:
    """Makes every device multiply float32 matrices in float32.

    By default a TPU multiplies them in bfloat16 and a GPU since Ampere in TensorFloat-32:
    a head's logits, the embedding layer and the resizing of padded photos among them.
    """
    tf.config.experimental.enable_tensor_float_32_execution(False)


def choose_precision(precision: str, strategy: tf.distribute.Strategy) -> str:
    """`auto` -> mixed_bfloat16 if the devices support it, else float32.

    TPUs support it, and NVIDIA GPUs from compute capability 8.0 (Ampere) on. CPUs and older GPUs,
    such as T4 (7.5) and V100 (7.0), convert from and to it at every step.
    """
    if precision != "auto":
        return precision
    devices = " ".join(strategy.extended.worker_devices).upper()
    if "CPU:" in devices or ("GPU:" in devices and not all(map(_has_bfloat16, _gpus()))):
        return "float32"
    return "mixed_bfloat16"


def _gpus() -> list[tf.config.PhysicalDevice]:
    return tf.config.list_physical_devices("GPU")


def _has_bfloat16(gpu: tf.config.PhysicalDevice) -> bool:
    details = tf.config.experimental.get_device_details(gpu)
    # GPUs of other vendors do not report it; those that TensorFlow supports have bfloat16.
    return details.get("compute_capability", _FIRST_WITH_BFLOAT16) >= _FIRST_WITH_BFLOAT16


def drives_other_hosts(strategy: tf.distribute.Strategy) -> bool:
    """Whether the replicas are on other hosts, which run graphs for this process.

    In TensorFlow this process is the job `localhost`, and the hosts of a TPU are `worker`.
    """
    if not isinstance(strategy, tf.distribute.TPUStrategy):
        return False
    jobs = {tf.DeviceSpec.from_string(str(d)).job for d in strategy.extended.worker_devices}
    return bool(jobs - {None, "localhost"})


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this is the process that writes files."""
    resolver = strategy.cluster_resolver
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy) or resolver is None:
        return True  # One process drives all replicas, TPU hosts included.
    if resolver.task_type in ("chief", "worker"):
        has_chief = "chief" in resolver.cluster_spec().as_dict()
        return resolver.task_type == "chief" or (not has_chief and resolver.task_id == 0)
    return resolver.task_type is None


@contextlib.contextmanager
def reports_lost_workers(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Wraps training: the loss of another worker is raised as `UserError`, not as a traceback."""
    lost = (
        *(tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError),
        *(tf.errors.DeadlineExceededError, tf.errors.InternalError),
    )
    try:
        yield
    except lost as error:
        if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            raise
        found = re.search(r"/job:(\w+)(?:/replica:\d+)?/task:(\d+)", str(error))
        which = f" ({found[1]} {found[2]})" if found else ""
        raise UserError(
            f"TF_CONFIG: a worker of the cluster was lost{which}; see its own messages, then start "
            "all workers again: the run resumes from its last checkpoint"
        ) from None


def describe(strategy: tf.distribute.Strategy) -> str:
    """The devices of a strategy, as text for the user."""
    count = strategy.num_replicas_in_sync
    if isinstance(strategy, tf.distribute.TPUStrategy):
        found = accelerators.present()
        return f"{count} TPU cores" + (f" ({found.name})" if found else "")
    if all("CPU" in device.upper() for device in strategy.extended.worker_devices):
        return "the CPU" if count == 1 else f"{count} CPU replicas"
    gpus = tf.config.list_physical_devices("GPU")
    names = {tf.config.experimental.get_device_details(g).get("device_name", "GPU") for g in gpus}
    return f"{count} x {', '.join(sorted(names)) or 'GPU'}"


def _automatic(tpu: str, fall_back: bool) -> tf.distribute.Strategy:
    """The best devices; never silently the CPU while better ones are idle."""
    if tpu or os.environ.get("TPU_NAME"):
        return _tpu(tpu)
    found = accelerators.present()
    reason = ""
    if found and found.kind == "tpu":
        try:
            return _tpu(tpu)
        except UserError as error:
            reason = str(error)
    if tf.config.list_physical_devices("GPU"):
        return tf.distribute.MirroredStrategy()
    if found is None:
        return tf.distribute.OneDeviceStrategy("/cpu:0")
    package = _PACKAGES.get(found.name, "tensorflow-tpu")
    trouble = f"TensorFlow {tf.__version__} cannot drive this machine's {found}"
    if fall_back:
        print(f"note: {trouble}; using the CPU (see pip install '{package}')", file=sys.stderr)
        return tf.distribute.OneDeviceStrategy("/cpu:0")
    raise UserError(
        f"--strategy: {trouble}{f' [{reason}]' if reason else ''}; pip install '{package}' and "
        "check its driver, or use --strategy cpu"
    )


def _multiworker() -> tf.distribute.Strategy:
    problem = _cluster_problem(os.environ.get("TF_CONFIG", ""))
    if problem:
        raise UserError(
            'TF_CONFIG: expected {"cluster": {"worker": ["host:port", …]}, "task": '
            f'{{"type": "worker", "index": 0}}}}, found {problem}; set it on every worker, or use '
            "--strategy mirrored"
        )
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except (ValueError, TypeError, RuntimeError, tf.errors.OpError) as error:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise UserError(
            f"TF_CONFIG: could not join the cluster ({reason[:200]}); check that all its workers "
            "run this command and that its addresses are right and free"
        ) from None


def _cluster_problem(text: str) -> str:
    """What is wrong with a TF_CONFIG, empty if nothing is."""
    if not text:
        return "nothing"
    try:
        value = json.loads(text)
        cluster, task = value["cluster"], value["task"]
        known = [(kind, index) for kind in cluster for index in range(len(cluster[kind]))]
        place = (task["type"], int(task["index"]))
    except (ValueError, TypeError, KeyError, AttributeError):
        return text[:200]
    if not known or place not in known:
        return f"the task {place[0]} {place[1]} of a cluster with {known or 'no tasks'}"
    return ""


def _tpu(name: str) -> tf.distribute.Strategy:
    address = "local" if name in ("", "local") and not os.environ.get("TPU_NAME") else name
    if address == "local":
        _refuse_part_of_a_slice()
    try:
        if address.startswith("grpc://"):
            _reach(address)
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=address or None)
        if address != "local":
            tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except Exception as error:
        # The resolver fails in many ways: no metadata server, no such node, no driver.
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise UserError(
            f"--tpu: expected a TPU named {address or os.environ.get('TPU_NAME')!r}, could not "
            f"reach one ({reason[:200]}); check the name and zone (gcloud compute tpus list) and "
            "that tensorflow-tpu is installed"
        ) from None
    return tf.distribute.TPUStrategy(resolver)


def _refuse_part_of_a_slice() -> None:
    """Refuses one of several hosts of a slice: each process would be a run in the same workdir."""
    hosts = [name for name in os.environ.get("TPU_WORKER_HOSTNAMES", "").split(",") if name]
    if len(hosts) > 1:
        raise UserError(
            f"--tpu: expected the TPU of one machine, found one of {len(hosts)} hosts of a slice "
            "(TPU_WORKER_HOSTNAMES), whose processes would each write the whole run; start it "
            "once, on worker 0, with --tpu NAME"
        )


def _reach(address: str) -> None:
    """Opens and closes a connection: TensorFlow itself would wait for it forever.

    Raises:
        OSError: If nothing answers there.
        ValueError: If the address has no port.
    """
    host, _, port = address.removeprefix("grpc://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=_SECONDS_TO_ANSWER):
        pass
