"""Compiles an HLO file for an absent TPU; a separate program.

    python -m glrtf.planning.tpu_compiler PROGRAM.hlo TOPOLOGY RESULT.json [--whole]

It needs jax and libtpu and no other package: their libtpu clashes
with tensorflow-tpu's, so it runs in another process and, if necessary, another environment. The
result holds the memory in bytes, or the compiler's refusal. Machine code is generated only with
--whole; then the result has the compiler's cycles.
"""

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

from glrtf.planning.optimized_program import DUMP_TO, costs_of, optimized

# Without these libtpu looks for a TPU machine's metadata server, and waits.
ENVIRONMENT = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "JAX_PLATFORMS": "cpu",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}


_MOST_PARAMETERS = 3000
_ALIASES = "mhlo.input_output_alias"


def compile_program(program: bytes, topology_name: str, *, whole: bool = False) -> dict:
    """Compiles for the first device of a topology such as ``"v3:2x2"``.

    Args:
        program: A serialised HloModuleProto.
        topology_name: As libtpu names it.
        whole: Also generate machine code; otherwise the compiler is left running: see
            `optimized_program.optimized`.

    Returns:
        ``memory`` (statistics by name, bytes) and ``update`` (see `optimized_program.costs_of`; if
        `whole`, ``cost``), or ``refused`` (the compiler's message), ``seconds``, ``cpu_seconds``,
        and the versions of jax and libtpu.
    """
    import importlib.metadata

    import jax
    import numpy as np
    from jax._src.interpreters import mlir
    from jax.experimental import topologies
    from jaxlib import _jax, xla_client
    from jaxlib.mlir import ir

    device = topologies.get_topology_desc(topology_name, "tpu").devices[0]
    with mlir.make_ir_context():
        module = ir.Module.parse(_jax.mlir.hlo_to_stablehlo(program))
    options = xla_client.CompileOptions()
    options.num_replicas = options.num_partitions = 1
    # As jax does for TPUs: a program takes at most a few thousand parameters, but a tuple of any
    # length.
    if _num_parameters(module) > _MOST_PARAMETERS:
        options.parameter_is_tupled_arguments = True
        _alias_within_tuple(module)
    options.device_assignment = xla_client.DeviceAssignment.create(np.array([[device.id]]))
    began, cpu_began = time.monotonic(), time.process_time()
    result: dict = {
        "topology": topology_name,
        "jax": jax.__version__,
        "libtpu": importlib.metadata.version("libtpu"),
    }

    def compile_into(folder: str) -> Any:
        options.env_option_overrides = [(DUMP_TO, folder)] if folder else []
        return device.client.compile(
            module, executable_devices=xla_client.DeviceList((device,)), compile_options=options
        )

    try:
        if whole:
            compiled = compile_into("")
            result["memory"] = memory_of(compiled.get_compiled_memory_stats())
            result["cost"] = _cost(compiled)
        else:
            found = optimized(compile_into)
            result["memory"] = {"peak_memory_in_bytes": found.memory_bytes}
            result["update"] = costs_of(found.text)
    except _jax.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        result["refused"] = str(error)
    result["seconds"] = time.monotonic() - began
    result["cpu_seconds"] = time.process_time() - cpu_began
    return result


def _cost(compiled: Any) -> dict[str, float]:
    """The compiler's estimate of one execution: bytes_accessed, and cycles of all operations.

    A loop's body counts once, however often it runs.
    """
    costs = compiled.cost_analysis()
    text = compiled.hlo_modules()[0].to_string()
    return {"bytes_accessed": float(costs["bytes accessed"]), "cycles": cycles_of(text)}


def memory_of(statistics: Any) -> dict[str, int]:
    """The compiler's statistics of memory by name, bytes."""
    names = [name for name in dir(statistics) if name.endswith("_in_bytes")]
    return {name: getattr(statistics, name) for name in names}


def cycles_of(program: str) -> float:
    """The compiler's estimates of a compiled program's operations, added up."""
    return float(sum(map(int, re.findall(r'estimated_cycles":"(\d+)"', program))))


def _num_parameters(module: Any) -> int:
    """How many arguments the module's entry function takes."""
    functions = [op for op in module.body.operations if op.operation.name == "func.func"]
    [entry] = [op for op in functions if op.attributes["sym_name"].value == "main"]
    return len(entry.attributes["function_type"].value.inputs)


def _alias_within_tuple(module: Any) -> None:
    """Renames the parameters whose memory is reused for results to their places in the tuple."""
    from jaxlib.mlir import ir

    attributes = module.operation.attributes
    if _ALIASES not in attributes:
        return
    single = r"parameter_index = array<i64>, parameter_number = (\d+)"
    tupled = r"parameter_index = array<i64: \1>, parameter_number = 0"
    text = re.sub(single, tupled, str(attributes[_ALIASES]))
    attributes[_ALIASES] = ir.Attribute.parse(text, context=module.context)


def write_result(output: str, result: dict) -> None:
    """Writes a result to a temporary file, then moves it in place."""
    partial = Path(f"{output}.{os.getpid()}.partial")
    partial.write_text(json.dumps(result, indent=2, sort_keys=True) + "\n")
    partial.replace(output)


def main(argv: list[str]) -> int:
    """Reads the program and writes the result."""
    program, topology_name, output, *options = argv
    os.environ.update(ENVIRONMENT)
    whole = options == ["--whole"]
    write_result(output, compile_program(Path(program).read_bytes(), topology_name, whole=whole))
    return 0


def end(status: int) -> NoReturn:
    """Ends the process, though the compiler may still be running in a thread."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    end(main(sys.argv[1:]))
