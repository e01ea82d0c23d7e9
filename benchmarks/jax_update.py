"""What a JAX update of each published configuration multiplies and exchanges; nothing is compiled.

    PYTHONPATH=. python benchmarks/jax_update.py

The update is traced for eight devices with 203,094 classes. Products and convolutions are counted:
those of the head and loss have a dimension of that length. On a TPU a bfloat16 product takes one
pass of the matrix unit and a float32 product at the highest precision six. Half a minute each.
"""

import argparse
import collections
import dataclasses
import math
import os
import sys
from collections.abc import Iterator
from typing import Any

DEVICES, CLASSES = 8, 203_094
PASSES = {"bfloat16": 1, "float32": 6}
_CONFIGS = ("v2s_800", "v2m_640", "v2m_732", "v2l_720", "v2xl_640")
_EXCHANGES = ("psum", "all_gather", "reduce_scatter", "all_to_all", "ppermute")


@dataclasses.dataclass
class Counts:
    """Counts of an update of one device.

    Attributes:
        flops: By (whether it is the head's, dtype of the operands).
        exchanges: By (kind, whether it is in a loop); one operation per exchanged array, which
            the compiler then joins.
    """

    flops: dict[tuple[bool, str], float] = dataclasses.field(
        default_factory=lambda: collections.defaultdict(float)
    )
    exchanges: collections.Counter[tuple[str, bool]] = dataclasses.field(
        default_factory=collections.Counter
    )

    def add(self, program: Any, times: int = 1, in_loop: bool = False) -> None:
        """Counts a jaxpr that runs that many times."""
        for equation in program.eqns:
            kind = equation.primitive.name
            if flops := flops_of(equation):
                values = (*equation.invars, *equation.outvars)
                of_head = any(CLASSES in value.aval.shape for value in values)
                self.flops[of_head, str(equation.invars[0].aval.dtype)] += times * flops
            # A kind may have a suffix, such as psum_invariant.
            for exchange in _EXCHANGES:
                if kind.startswith(exchange):
                    self.exchanges[exchange, in_loop] += 1
            length = equation.params["length"] if kind == "scan" else 1
            for inner in inner_programs(equation.params):
                self.add(inner, times * length, in_loop or kind in ("scan", "while"))

    def share_of_head(self) -> float:
        """Of the time that the matrix unit needs, the part of the head and loss."""
        passes = {key: flops * PASSES[key[1]] for key, flops in self.flops.items()}
        return sum(n for (head, _), n in passes.items() if head) / sum(passes.values())


def flops_of(equation: Any) -> float:
    """Twice the multiply-adds of a product or convolution; 0 of other operations."""
    result = 2.0 * math.prod(equation.outvars[0].aval.shape)
    if equation.primitive.name == "dot_general":
        (contracted, _), _ = equation.params["dimension_numbers"]
        return result * math.prod(equation.invars[0].aval.shape[axis] for axis in contracted)
    if equation.primitive.name == "conv_general_dilated":
        _, features, *window = equation.params["dimension_numbers"].rhs_spec
        kernel = equation.invars[1].aval.shape
        # Zeros between the inputs, in a gradient of a strided convolution, are not multiplied.
        zeros = math.prod(equation.params["lhs_dilation"])
        return result * kernel[features] * math.prod(kernel[axis] for axis in window) / zeros
    return 0.0


def inner_programs(parameters: dict[str, Any]) -> Iterator[Any]:
    """The jaxprs among an equation's parameters."""
    for value in parameters.values():
        for each in value if isinstance(value, (tuple, list)) else [value]:
            if hasattr(each, "eqns"):
                yield each
            elif hasattr(each, "jaxpr"):
                yield each.jaxpr


def main() -> int:
    """Traces the selected configurations and prints a row for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--configs", nargs="+", default=_CONFIGS, choices=_CONFIGS)
    names = parser.parse_args().configs
    os.environ |= {"JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": str(DEVICES)}
    from glrtf.config import keras_backend

    keras_backend.use("jax")
    import jax

    from glrtf.config.training import TrainConfig
    from glrtf.planning.jax_compiler import settings_of, traced_update
    from tfrecords_tools.command import cli

    jax.config.update("jax_default_matmul_precision", "highest")
    print("| configuration | TFLOP | of head and loss | share of the time | exchanges (in loops) |")
    print("|---|---|---|---|---|")
    for name in names:
        config = cli.parse(TrainConfig, [f"--config=configs/{name}.yaml"], prog="jax_update")
        largest = max(config.sizes, default=config.size)
        config = dataclasses.replace(config, size=largest, sizes=[], stage_epochs=[])
        counts = Counts()
        counts.add(traced_update(settings_of(config, CLASSES), jax.devices()).jaxpr.jaxpr)
        print(row(name, counts), flush=True)
    return 0


def row(name: str, counts: Counts) -> str:
    """A row of the table."""
    head = sum(flops for (of_head, _), flops in counts.flops.items() if of_head)
    kinds = {kind for kind, _ in counts.exchanges}
    exchanges = ", ".join(
        f"{counts.exchanges[kind, False] + counts.exchanges[kind, True]} {kind}"
        f" ({counts.exchanges[kind, True]})"
        for kind in sorted(kinds)
    )
    return (
        f"| {name} | {sum(counts.flops.values()) / 1e12:.2f} | {head / 1e12:.3f} | "
        f"{counts.share_of_head():.2%} | {exchanges or 'none'} |"
    )


if __name__ == "__main__":
    sys.exit(main())
