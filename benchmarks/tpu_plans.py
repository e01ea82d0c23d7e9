"""Plans the five published configurations with the TPU compiler, without a TPU.

    PYTHONPATH=. python benchmarks/tpu_plans.py --compiler_python plan/bin/python
    PYTHONPATH=. python benchmarks/tpu_plans.py --engine jax --tpus v5e-8 --known

Each program takes one to ten minutes to compile on two idle cores; results
are stored in `benchmarks/tpu_plans/` and reused. With
``--known`` nothing is compiled: the table shows the stored results.
"""

import argparse
import dataclasses
import sys
from pathlib import Path

from glrtf.commands.plan import PlanResult, plan
from glrtf.config.planning import PlanConfig
from glrtf.planning.compiled import Compiled
from tfrecords_tools.command import cli

_CACHE = Path(__file__).with_name("tpu_plans")
_CONFIGS = ("v2s_800", "v2m_640", "v2m_732", "v2l_720", "v2xl_640")
_GIB = 2**30
_MOST_TRIES = 3
_HEADER = (
    "| configuration | TPU | micro-batch | estimate, GiB | compiler, GiB | estimate / compiler "
    "| fits | images/s | hours |\n|---|---|---|---|---|---|---|---|---|"
)
# Of the whole update of a device, its loop over micro-batches counted once.
_COUNTS = (" GFLOP | GB accessed | operations between devices (in loops) |", "---|---|---|")


def main() -> int:
    """Plans the selected configurations and prints the table as it grows."""
    arguments = _arguments()
    print(_header(arguments.engine), flush=True)
    for name in arguments.configs:
        for tpu in arguments.tpus:
            for row in _rows(name, tpu, arguments):
                print(row, flush=True)
    return 0


def _header(engine: str) -> str:
    if engine == "tensorflow":
        return _HEADER
    names, rule = _HEADER.split("\n")
    return f"{names}{_COUNTS[0]}\n{rule}{_COUNTS[1]}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--configs", nargs="+", default=_CONFIGS, choices=_CONFIGS)
    parser.add_argument("--tpus", nargs="+", default=("v3-8", "v6e-8"))
    parser.add_argument("--engine", default="tensorflow", choices=("tensorflow", "jax"))
    parser.add_argument("--compiler_python", default=sys.executable)
    parser.add_argument("--known", action="store_true", help="only what was compiled before")
    return parser.parse_args()


def _rows(name: str, tpu: str, arguments: argparse.Namespace) -> list[str]:
    """The published batch and, if it does not fit, smaller ones until one does."""
    config = cli.parse(
        PlanConfig,
        [
            *(f"--config=configs/{name}.yaml", f"--tpu={tpu}", f"--cache={_CACHE}"),
            f"--compiler_python={arguments.compiler_python}",
            f"--engine={arguments.engine}",
        ],
        prog="tpu_plans",
    )
    config = dataclasses.replace(config, compile=True)
    rows = []
    for _ in range(_MOST_TRIES):
        found = plan(config, known_only=arguments.known)
        rows.append(_row(name, found))
        if found.compiled is None or found.compiled.peak_bytes is not None:
            break
        smaller = _smaller_batch(found)
        config = dataclasses.replace(config, batch_size=smaller * config.accumulation_steps)
    return rows


def _smaller_batch(plan: PlanResult) -> int:
    """The micro-batch that should fit if memory is proportional to the number of images."""
    fixed = plan.found.memory.total - plan.found.memory.activations
    used, limit = plan.compiled.needed_gib * _GIB, plan.tpu.device.memory
    return max(1, int(plan.work.micro_batch * (limit - fixed) / (used - fixed)))


def _row(name: str, plan: PlanResult) -> str:
    estimate = plan.found.memory.total
    cells = [name, plan.tpu.name, str(plan.work.micro_batch), f"{estimate / _GIB:.2f}"]
    cells += _compiler_cells(plan, estimate)
    hours = plan.found.hours(4_132_914, 15)
    cells += [f"{plan.found.images_per_second:,.0f}", f"{hours:,.0f}"]
    if plan.config.engine == "jax":
        cells += _count_cells(plan.compiled)
    return f"| {' | '.join(cells)} |"


def _compiler_cells(plan: PlanResult, estimate: int) -> list[str]:
    if plan.compiled is None:
        return ["not compiled", "", "yes, by the estimate" if plan.found.fits else "no, by it"]
    if plan.compiled.peak_bytes is not None:
        peak = plan.compiled.peak_bytes
        return [f"{peak / _GIB:.2f}", f"{estimate / peak:.2f}", "yes"]
    needed = plan.compiled.needed_gib or float("nan")
    return [f"{needed:.2f}", f"{estimate / _GIB / needed:.2f}", "no"]


def _count_cells(compiled: Compiled | None) -> list[str]:
    if compiled is None or compiled.flops is None or compiled.bytes_accessed is None:
        return ["", "", ""]
    inside = compiled.collectives_in_loops or {}
    crossing = [
        f"{count} {kind} ({inside.get(kind, 0)})"
        for kind, count in compiled.collectives.items()
        if count
    ]
    return [
        f"{compiled.flops / 1e9:,.0f}",
        f"{compiled.bytes_accessed / 1e9:,.0f}",
        ", ".join(crossing) or "none",
    ]


if __name__ == "__main__":
    sys.exit(main())
