"""The JAX devices of a run: processes, platform, mesh."""

import os
import socket
import sys

import jax
import numpy as np
from jax.sharding import Mesh

from glrtf.models.kernels.jax_replicas import AXES
from glrtf.training import accelerators, engines
from tfrecords_tools.errors import UserError

_FIRST_WITH_BFLOAT16 = 8.0
_STRATEGIES = ("auto", "cpu", "gpu", "tpu")
# Environment variables that are set for the processes of a cluster.
_CLUSTER = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")


def find_devices(
    strategy: str, tpu: str = "", *, fall_back: bool = False, alone: bool = False
) -> list[jax.Device]:
    """The devices of that kind in all processes; call it before any other JAX operation.

    Args:
        strategy: `auto`, `cpu`, `gpu` or `tpu`.
        tpu: Must be empty or `local`: JAX drives the TPU of the machine it runs on.
        fall_back: Whether `auto` uses the CPU, with a note, if this machine has accelerators that
            JAX does not support; otherwise that is an error.
        alone: Whether this process uses only its own devices, even in a cluster.

    Raises:
        UserError: If the requested devices are missing.
    """
    if strategy not in _STRATEGIES:
        raise UserError(
            f"--strategy: expected {', '.join(_STRATEGIES)} with --engine jax, found {strategy!r}; "
            "JAX takes all devices, and several processes by JAX_COORDINATOR_ADDRESS"
        )
    if tpu not in ("", "local"):
        raise UserError(
            f"--tpu: expected this machine's own TPU with --engine jax, found {tpu!r}; start the "
            "command on each of the TPU's hosts"
        )
    # As with TensorFlow: a TPU would multiply float32 matrices in bfloat16.
    jax.config.update("jax_default_matmul_precision", "highest")
    if strategy == "cpu":
        jax.config.update("jax_platforms", "cpu")
    if not alone:
        _join_cluster()
    try:
        devices = jax.devices()
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"--engine: jax {jax.__version__} finds no devices ({reason}); check its driver, "
            "or use --strategy cpu"
        ) from None
    _check_kind(devices[0].platform, strategy, fall_back)
    return devices


def _check_kind(platform: str, strategy: str, fall_back: bool) -> None:
    """Refuses to use the CPU silently while better devices are idle."""
    if strategy in ("gpu", "tpu") and platform != strategy:
        if accelerators.present() is not None:
            raise UserError(engines.cannot_drive("jax"))
        raise UserError(
            f"--strategy: expected a {strategy.upper()} that JAX drives, found {platform} devices "
            f"with {engines.Packages.installed()}; use --strategy cpu"
        )
    if platform != "cpu" or strategy == "cpu" or accelerators.present() is None:
        return
    if not fall_back:
        raise UserError(engines.cannot_drive("jax"))
    print(f"note: {engines.cannot_drive('jax')}; using the CPU", file=sys.stderr)


def make_mesh(devices: list[jax.Device], *, split_classes: bool) -> Mesh:
    """All devices, along the axis `model` if the classes are split over them, else along `data`."""
    shape = (1, -1) if split_classes else (-1, 1)
    return Mesh(np.array(devices).reshape(shape), AXES)


def compute_deterministically() -> None:
    """Makes XLA avoid GPU operations that add in any order; call it before JAX starts."""
    flags = os.environ.get("XLA_FLAGS", "")
    os.environ["XLA_FLAGS"] = f"{flags} --xla_gpu_deterministic_ops=true".strip()


def host() -> jax.Device:
    """The CPU of this process, on which state is created, read and written."""
    return jax.local_devices(backend="cpu")[0]


def describe(devices: list[jax.Device]) -> str:
    """The devices, as text for the user."""
    kind = devices[0].device_kind
    if devices[0].platform == "cpu":
        return "the CPU" if len(devices) == 1 else f"{len(devices)} CPU devices"
    return f"{len(devices)} x {kind}"


def choose_precision(precision: str, devices: list[jax.Device]) -> str:
    """`auto` -> mixed_bfloat16 if the devices support it, as with TensorFlow."""
    if precision != "auto":
        return precision
    platform = devices[0].platform
    if platform == "gpu":
        capability = float(getattr(devices[0], "compute_capability", _FIRST_WITH_BFLOAT16))
        return "mixed_bfloat16" if capability >= _FIRST_WITH_BFLOAT16 else "float32"
    return "float32" if platform == "cpu" else "mixed_bfloat16"


def _join_cluster() -> None:
    """Connects the processes of a cluster or of a TPU slice's hosts, if there are several."""
    values = [os.environ.get(name, "") for name in _CLUSTER]
    hosts = [name for name in os.environ.get("TPU_WORKER_HOSTNAMES", "").split(",") if name]
    if not any(values):
        if len(hosts) > 1 and jax.config.jax_platforms != "cpu":
            jax.distributed.initialize()
        return
    if not (values[0] and values[1].isdigit() and values[2].isdigit()) or int(values[2]) >= int(
        values[1]
    ):
        found = ", ".join(f"{n}={v!r}" for n, v in zip(_CLUSTER, values, strict=True))
        raise UserError(
            f"{_CLUSTER[0]}: expected host:port with {_CLUSTER[1]} and a {_CLUSTER[2]} below it, "
            f"found {found}; set all three in every process"
        )
    if int(values[1]) == 1:
        return
    try:
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        jax.distributed.initialize(values[0], int(values[1]), int(values[2]))
    except (RuntimeError, ValueError, socket.gaierror) as error:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise UserError(
            f"{_CLUSTER[0]}: could not join the cluster ({reason[:200]}); check that all its "
            "processes run this command and that the address is right and free"
        ) from None
