"""Says, before a TPU is rented, whether a training run fits it and how fast it will be."""

import dataclasses
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from glrtf.config.planning import PlanConfig
from glrtf.config.presets import find_config
from tfrecords_tools import cli, files

if TYPE_CHECKING:
    from glrtf.planning.accelerators import Slice
    from glrtf.planning.compiled import Compiled

# Table 7 of the EfficientNetV2 paper (arXiv 2104.00298) trains S, M and L in
# 7.1, 13 and 24 hours on 32 TPU v3 cores (61.5 TFLOPS each) for 350 epochs of
# 1.28 M photos, at four sizes from 128 to 300 (S) or 380 (M, L) pixels. Three
# passes of 8.8, 24 and 53 G multiply-adds at 384, 480 and 480 pixels, scaled to
# those sizes, make 8.0e18, 2.1e19 and 4.5e19 FLOPs: these shares of the peak.
_PAPER_UTILIZATION = {"v2s": 0.16, "v2m": 0.22, "v2l": 0.27, "v2xl": 0.27}
_SMALL_UTILIZATION = 0.16

# The settings that change the compiled program, augmentation besides.
_SHAPING = (
    *("backbone", "size", "batch_size", "accumulation_steps", "num_classes", "optimizer"),
    *("weight_decay", "clip_norm", "ema_momentum", "head", "num_centers", "embedding_dim"),
    *("pooling", "dropout", "drop_connect_rate"),
)


def run_plan(config: PlanConfig) -> None:
    """Traces, estimates, prints."""
    from glrtf.planning import describe
    from glrtf.planning.accelerators import find_slice
    from glrtf.planning.estimate import estimate
    from glrtf.planning.trace import trace_workload

    tpu = find_slice(config.tpu)
    utilization = config.utilization or _PAPER_UTILIZATION.get(config.backbone, _SMALL_UTILIZATION)
    work = trace_workload(config, config.num_classes)
    found = estimate(
        work, tpu, utilization=utilization, activation_overhead=config.activation_overhead
    )
    print(describe.to_text(config, work, found, tpu, utilization))
    figures = describe.to_json(config, work, found, tpu, utilization)
    if config.compile:
        compiled = _compile(config, tpu)
        print(describe.compiled_to_text(compiled, tpu, found))
        figures["compiled"] = dataclasses.asdict(compiled)
    if config.json:
        files.write_json(config.json, figures)


def _compile(config: PlanConfig, tpu: "Slice") -> "Compiled":
    """The step's memory by the compiler; the cache knows it by what shapes the program."""
    from glrtf.planning.compiled import cache_key, compile_step
    from glrtf.planning.step_hlo import training_step_hlo

    shaping = {name: getattr(config, name) for name in _SHAPING}
    shaping["augment"] = dataclasses.asdict(config.augment)
    return compile_step(
        lambda: training_step_hlo(config, config.num_classes),
        cache_key(shaping),
        tpu,
        python=config.compiler_python or sys.executable,
        cache=config.cache,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """The command."""
    return cli.run(
        PlanConfig, run_plan, prog="python -m glrtf.plan", argv=argv, default_config=find_config
    )


if __name__ == "__main__":
    sys.exit(main())
