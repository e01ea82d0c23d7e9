"""Estimates, before a TPU or GPU is rented, whether a training run fits it and how fast it is."""

import dataclasses
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from glrtf.config.planning import PlanConfig
from glrtf.config.presets import find_config, with_named_config
from tfrecords_tools.command import cli, expected
from tfrecords_tools.command.typed_settings import checked
from tfrecords_tools.storage import files

if TYPE_CHECKING:
    from glrtf.planning.accelerators import Slice
    from glrtf.planning.compiled import Compiled
    from glrtf.planning.estimate import Estimate, Workload

# Table 7 of the EfficientNetV2 paper (arXiv 2104.00298) trains S, M and L in
# 7.1, 13 and 24 hours on 32 TPU v3 cores (61.5 TFLOPS each) for 350 epochs of
# 1.28 M photos, at four sizes from 128 to 300 (S) or 380 (M, L) pixels. Three
# passes of 8.8, 24 and 53 G multiply-adds at 384, 480 and 480 pixels, scaled to
# those sizes, make 8.0e18, 2.1e19 and 4.5e19 FLOPs: these shares of the peak.
_PAPER_UTILIZATION = {"v2s": 0.16, "v2m": 0.22, "v2l": 0.27, "v2xl": 0.27}
_SMALL_UTILIZATION = 0.16

# The settings, besides augmentation, that change the compiled program.
_SHAPING = (
    *("backbone", "size", "batch_size", "accumulation_steps", "num_classes", "optimizer"),
    *("weight_decay", "clip_norm", "ema_momentum", "head", "num_centers", "embedding_dim"),
    *("pooling", "dropout", "drop_connect_rate"),
)
_OPTIONS = ("remat", "head_sharding")
_OFF = (None, False, 0, "", "none")
# The version of the program that affine, crop, RandAugment and mixing compile to; 1 used gathers.
# With large rotations it is 3.
_GEOMETRY = 2


@dataclasses.dataclass(frozen=True)
class PlanResult:
    """The plan of a configuration on a slice.

    Attributes:
        config: The configuration, at its largest size.
        tpu: The slice.
        work: The configuration in numbers.
        utilization: The assumed share of the peak rate.
        found: Memory and speed, estimated.
        compiled: The compiler's figures, None if the compiler was not run.
    """

    config: PlanConfig
    tpu: "Slice"
    work: "Workload"
    utilization: float
    found: "Estimate"
    compiled: "Compiled | None"

    def as_text(self) -> str:
        """The estimate for a terminal; without the compiler's figures."""
        from glrtf.planning import describe

        return describe.to_text(self.config, self.work, self.found, self.tpu, self.utilization)

    def as_json(self) -> dict[str, Any]:
        """The content of ``--json``."""
        from glrtf.planning import describe

        values = describe.to_json(self.config, self.work, self.found, self.tpu, self.utilization)
        if self.compiled:
            values["compiled"] = dataclasses.asdict(self.compiled)
        return values


def plan(
    config: PlanConfig,
    *,
    known_only: bool = False,
    on_estimate: Callable[[PlanResult], None] | None = None,
) -> PlanResult:
    """Estimates memory and time of a training run; runs the compiler if `config.compile` is set.

    Args:
        config: The configuration and the slice.
        known_only: Use the compiler's figures only if they are cached.
        on_estimate: Receives the estimate before the compiler runs, which takes minutes.

    Raises:
        UserError: On an unknown TPU or GPU, or if the compiler is missing or failed.
    """
    config = checked(config, PlanConfig)
    from glrtf.planning.compiled import cache_key, find_compiled
    from glrtf.planning.estimate import estimate
    from glrtf.planning.trace import trace_workload

    tpu = find_devices(config)
    if config.json:
        expected.new_file("--json", config.json, config)
    config = _at_largest_size(config)
    utilization = config.utilization or _PAPER_UTILIZATION.get(config.backbone, _SMALL_UTILIZATION)
    work = trace_workload(
        config, config.num_classes, precision=tpu.device.precision, fused=tpu.device.fused
    )
    found = estimate(
        work, tpu, utilization=utilization, activation_overhead=config.activation_overhead
    )
    result = PlanResult(config, tpu, work, utilization, found, None)
    if on_estimate:
        on_estimate(result)
    if config.compile:
        key = cache_key(_shaping(config, tpu))
        known = find_compiled(key, tpu, config.cache) if known_only else _compile(config, tpu)
        result = dataclasses.replace(result, compiled=known)
    if config.json:
        files.write_json(config.json, result.as_json())
    return result


def find_devices(config: PlanConfig) -> "Slice":
    """The GPUs that the settings name, else the TPU slice.

    Raises:
        UserError: If that name is unknown.
    """
    from glrtf.planning.accelerators import find_slice
    from glrtf.planning.gpus import find_gpus

    return find_gpus(config.gpu, config.num_gpus) if config.gpu else find_slice(config.tpu)


def run_plan(config: PlanConfig) -> None:
    """Plans and prints: the estimate at once, the compiler's result when it is ready."""
    result = plan(config, on_estimate=lambda estimate: print(estimate.as_text(), flush=True))
    if result.compiled:
        from glrtf.planning import describe

        print(describe.compiled_to_text(result.compiled, result.tpu, result.found))


def _at_largest_size(config: PlanConfig) -> PlanConfig:
    """The configuration at the largest of its training sizes."""
    largest = max(config.sizes, default=config.size)
    return dataclasses.replace(config, size=largest, sizes=[], stage_epochs=[])


def _compile(config: PlanConfig, tpu: "Slice") -> "Compiled":
    """The step's memory according to the compiler, cached by what affects the program."""
    from glrtf.planning.compiled import cache_key, compile_step, compile_update
    from glrtf.planning.jax_compiler import settings_of
    from glrtf.planning.step_hlo import lowered_apart

    key = cache_key(_shaping(config, tpu))
    python = config.compiler_python or sys.executable
    if config.engine == "jax":
        settings = settings_of(config, config.num_classes)
        return compile_update(settings, key, tpu, python=python, cache=config.cache)
    return compile_step(
        lambda: lowered_apart(config, config.num_classes, tpu.num_devices),
        key,
        tpu,
        python=python,
        cache=config.cache,
    )


def _shaping(config: PlanConfig, tpu: "Slice") -> dict[str, Any]:
    """The settings that the program depends on, without options that are off.

    So cached results stay valid when a later version adds an option.
    """
    values = dataclasses.asdict(config)
    shaping = {name: values[name] for name in _SHAPING}
    shaping |= {name: values[name] for name in _OPTIONS if values.get(name) not in _OFF}
    shaping["augment"] = {k: v for k, v in values["augment"].items() if v not in _OFF}
    augment = config.augment
    if augment.affine or augment.rand_augment or augment.crop < 1 or augment.mixes:
        shaping["geometry"] = _GEOMETRY + augment.has_far_turns
    if config.head_sharding == "classes":
        shaping["replicas"] = tpu.num_devices
    if config.engine == "jax":
        shaping |= {"engine": "jax", "devices": min(tpu.num_devices, 8)}
    return shaping


def main(argv: Sequence[str] | None = None) -> int:
    """The command."""
    return cli.run(PlanConfig, run_plan, argv=with_named_config(argv), default_config=find_config)
