"""Which engine trains or embeds on this machine: TensorFlow or JAX.

It looks at device files, at the PCI bus and at installed packages; neither engine is imported,
since Keras keeps the backend that it is first imported with.
"""

import dataclasses
import importlib.metadata
import importlib.util
import os
import re
from typing import TYPE_CHECKING, Literal, TypeAlias

from glrtf.config import keras_backend
from glrtf.training import accelerators
from glrtf.training.accelerators import Accelerators
from tfrecords_tools.errors import UserError, how_to_install

if TYPE_CHECKING:
    from glrtf.config.inference import EmbedConfig
    from glrtf.config.training import TrainConfig
    from glrtf.training.engine import Engine

EngineName: TypeAlias = Literal["tensorflow", "jax"]

# What tensorflow-tpu 2.20.0, the last release, can load and use.
_TENSORFLOW_LIBTPU = "0.0.24"
_NOT_FOR_TENSORFLOW = ("TPU v7x",)
_INSTALL = {
    ("tpu", "tensorflow"): how_to_install("tpu"),
    ("tpu", "jax"): f"{how_to_install('jax')} 'jax[tpu]'",
    ("gpu", "tensorflow"): how_to_install("gpu"),
    ("gpu", "jax"): f"{how_to_install('jax')} 'jax[cuda12]'",
}


@dataclasses.dataclass(frozen=True)
class Packages:
    """Versions of the relevant installed packages; empty if one is missing.

    Attributes:
        tensorflow: Of tensorflow or tensorflow-cpu, whichever is installed.
        tensorflow_tpu: Of tensorflow-tpu.
        jax: Of jax.
        jax_cuda: Of JAX's CUDA plugin.
        libtpu: Of libtpu.
        jax_libtpu: Of the libtpu that this jax was built for, such as ``0.0.40``.
    """

    tensorflow: str = ""
    tensorflow_tpu: str = ""
    jax: str = ""
    jax_cuda: str = ""
    libtpu: str = ""
    jax_libtpu: str = ""

    @classmethod
    def installed(cls) -> "Packages":
        """The packages of this environment."""
        jax = _version("jax")
        return cls(
            tensorflow=_version("tensorflow", "tensorflow-cpu", "tensorflow-tpu", "tf-nightly"),
            tensorflow_tpu=_version("tensorflow-tpu"),
            jax=jax,
            jax_cuda=_version("jax-cuda13-plugin", "jax-cuda12-plugin"),
            libtpu=_version("libtpu"),
            jax_libtpu=_required_libtpu() if jax else "",
        )

    def __str__(self) -> str:
        versions = dataclasses.asdict(self) | {"jax_libtpu": ""}
        named = [f"{name.replace('_', '-')} {v}" for name, v in versions.items() if v]
        return ", ".join(named) or "neither TensorFlow nor JAX"


@dataclasses.dataclass(frozen=True)
class Choice:
    """An engine and why it was chosen, as text for the user."""

    engine: EngineName
    reason: str


def choose(
    wanted: str,
    strategy: str = "auto",
    *,
    remote: bool = False,
    found: Accelerators | None = None,
    packages: Packages,
) -> Choice:
    """The engine that supports this machine's devices.

    Args:
        wanted: `tensorflow`, `jax` or `auto`.
        strategy: From the settings; a CPU needs no accelerator's driver.
        remote: Whether a remote TPU is named, which only TensorFlow can reach.
        found: The machine's accelerators.
        packages: What is installed.

    Raises:
        UserError: If the engine is not installed, does not support the devices found, or would load
            a libtpu that it was not built for.
    """
    choice = Choice(wanted, "--engine") if wanted != "auto" else None  # type: ignore[arg-type]
    if choice is None:
        choice = _automatic(strategy, remote, found, packages)
    _require(choice.engine, packages)
    _refuse_other_libtpu(choice.engine, packages)
    return choice


def _automatic(
    strategy: str, remote: bool, found: Accelerators | None, packages: Packages
) -> Choice:
    if remote or strategy in ("multiworker", "mirrored"):
        return Choice("tensorflow", "a TPU by name, mirrored and multiworker are TensorFlow's")
    either: EngineName = "tensorflow" if packages.tensorflow or not packages.jax else "jax"
    if strategy == "cpu" or found is None:
        where = "for the CPU" if strategy == "cpu" else "no accelerator found"
        why = where if either == "tensorflow" else f"{where}, TensorFlow is not installed"
        return Choice(either, why)
    drivers = _drivers(found, packages)
    if drivers:
        others = "" if len(drivers) > 1 else f", alone with {packages}"
        return Choice(drivers[0], f"it drives {found}{others}")
    if found.kind == "gpu" and packages.tensorflow:
        # Whether it was built with CUDA shows when it looks for GPUs.
        return Choice("tensorflow", f"for {found}")
    raise UserError(_cannot_drive(found, packages))


def _drivers(found: Accelerators, packages: Packages) -> list[EngineName]:
    """The installed engines that support these accelerators, the preferred one first."""
    drivers: list[EngineName] = []
    if found.kind == "tpu":
        old = found.name not in _NOT_FOR_TENSORFLOW
        if packages.tensorflow_tpu and old and packages.libtpu in ("", _TENSORFLOW_LIBTPU):
            drivers.append("tensorflow")
        if packages.jax and packages.libtpu and packages.libtpu != _TENSORFLOW_LIBTPU:
            drivers.append("jax")
    elif packages.jax_cuda and not packages.tensorflow:
        drivers.append("jax")
    return drivers


def cannot_drive(engine: EngineName) -> str:
    """The message if an engine finds no accelerator although this machine has one."""
    found = accelerators.present()
    assert found is not None
    return (
        f"--engine: {engine} cannot drive this machine's {found} with {Packages.installed()}; "
        f"{_INSTALL[found.kind, engine]} and check its driver, or use --strategy cpu"
    )


def _cannot_drive(found: Accelerators, packages: Packages) -> str:
    installs = [
        f"{_INSTALL[found.kind, engine]} (--engine {engine})"
        for engine in ("tensorflow", "jax")
        if engine == "jax" or found.name not in _NOT_FOR_TENSORFLOW
    ]
    return (
        f"--engine: expected one that drives this machine's {found}, found {packages}; "
        f"{' or '.join(installs)}, or use --strategy cpu"
    )


def _require(engine: EngineName, packages: Packages) -> None:
    if not getattr(packages, engine):
        extra = "cpu" if engine == "tensorflow" else "jax"
        raise UserError(
            f"--engine: expected the package {engine}, found {packages}; {how_to_install(extra)}"
        )


def _refuse_other_libtpu(engine: EngineName, packages: Packages) -> None:
    """Refuses the other engine's libtpu: a process loads one, and the wrong one aborts it."""
    if not packages.libtpu:
        return
    if engine == "tensorflow" and packages.tensorflow_tpu:
        if packages.libtpu != _TENSORFLOW_LIBTPU:
            raise UserError(
                f"libtpu: expected {_TENSORFLOW_LIBTPU} for tensorflow-tpu "
                f"{packages.tensorflow_tpu}, found {packages.libtpu}, which is for JAX; use "
                f"--engine jax, or an environment of its own: {_INSTALL['tpu', 'tensorflow']}"
            )
    elif engine == "jax" and packages.jax_libtpu and packages.libtpu == _TENSORFLOW_LIBTPU:
        raise UserError(
            f"libtpu: expected {packages.jax_libtpu} for jax {packages.jax}, found "
            f"{packages.libtpu}, which is for tensorflow-tpu; use --engine tensorflow, or an "
            f"environment of its own: {_INSTALL['tpu', 'jax']}"
        )


def _version(*names: str) -> str:
    for name in names:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return ""


def _required_libtpu() -> str:
    """The libtpu that `jax[tpu]` of the installed version requires."""
    for line in importlib.metadata.requires("jax") or []:
        if match := re.match(r"libtpu\s*[=~><!]=\s*([\d.]+?)(\.\*)?\s*;", line):
            return match[1]
    return ""


def select(config: "TrainConfig | EmbedConfig", *, fall_back: bool = False) -> Choice:
    """Chooses a run's engine and sets Keras's backend; call it before Keras is imported.

    Args:
        config: The settings.
        fall_back: Whether the CPU may be used if no engine supports this machine's accelerators.

    Raises:
        UserError: See `choose` and `keras_backend.use`.
    """
    packages = Packages.installed()
    found = accelerators.present()
    # On TPU virtual machines TPU_NAME may be set; without its own wheels TensorFlow cannot use it.
    named = bool(os.environ.get("TPU_NAME")) and bool(packages.tensorflow_tpu)
    remote = named or config.tpu not in ("", "local")
    try:
        choice = choose(
            config.engine, config.strategy, remote=remote, found=found, packages=packages
        )
    except UserError:
        if not fall_back or config.engine != "auto" or config.strategy != "auto":
            raise
        choice = choose("auto", "cpu", found=found, packages=packages)
    keras_backend.use(choice.engine)
    return choice


def start(config: "TrainConfig", *, fall_back: bool = False) -> "tuple[Engine, str]":
    """Starts the engine of a run on its devices; also returns why it was chosen.

    Args:
        config: The run's settings.
        fall_back: As in `select`, with a note.

    Raises:
        UserError: See `select`; or if the devices are missing.
    """
    choice = select(config, fall_back=fall_back)
    if choice.engine == "jax":
        from glrtf.training.jax_engine import JaxEngine

        return JaxEngine.start(config, fall_back=fall_back), choice.reason
    from glrtf.training.tensorflow_engine import TensorFlowEngine

    return TensorFlowEngine.start(config, fall_back=fall_back), choice.reason
