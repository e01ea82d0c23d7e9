"""Chooses the runtime of a model before any runtime is loaded."""

import importlib.util

from glrtf.config.descriptor import RuntimeChoice
from glrtf.inference.descriptors.kinds import Kind
from glrtf.inference.embedder import RUNTIME_NAMES, Precision, Runtime
from tfrecords_tools.command import expected
from tfrecords_tools.errors import UserError, how_to_install

# The defaults. TensorFlow runs all other kinds.
_NATIVE: dict[Kind, Runtime] = {"onnx": "onnx", "tflite": "litert", "function": "python"}
_BFLOAT16_FLAGS = {"amx_bf16", "avx512_bf16"}


def needs_engine(kind: Kind) -> bool:
    """Whether TensorFlow (or JAX) is needed to load models of a kind, whatever runs them."""
    return kind not in _NATIVE


def choose(
    option: str,
    model: str,
    kind: Kind,
    runtime: RuntimeChoice,
    precision: Precision,
    on_cpu: bool = True,
) -> Runtime:
    """The runtime of a model.

    By default it is the kind's own, except for bfloat16 on a CPU that supports it, where it is
    OpenVINO if that is installed.

    Args:
        option: The flag as typed, such as ``"--model"``.
        model: Its name.
        kind: See `kinds.kind_of`.
        runtime: The choice.
        precision: Of the network's arithmetic.
        on_cpu: Whether TensorFlow would compute on one CPU, if TensorFlow loads the model.

    Raises:
        UserError: If the runtime does not run such models, is not installed, or does not compute
            in that precision.
    """
    native = _NATIVE.get(kind, "tensorflow")
    if runtime == "auto":
        on_cpu = on_cpu or not needs_engine(kind)
        if precision == "bfloat16" and on_cpu and _can_openvino(kind):
            return "openvino"
        chosen: Runtime = native
    else:
        chosen = runtime
    if chosen == "openvino":
        _require_openvino(option, model, kind, precision)
        return chosen
    if chosen != native:
        raise UserError(
            f"{option} {model}: --runtime: expected {native}, openvino or auto, found {chosen}"
            + (
                "; export the model as a file first (glrtf export --format)"
                if kind == "workdir"
                else ""
            )
        )
    if precision != "float32" and kind != "workdir":
        raise UserError(
            f"{option} {model}: --precision {precision}: expected a training run's workdir, or"
            f" OpenVINO on a CPU with bfloat16, found a model that {RUNTIME_NAMES[chosen]} computes"
            f" in float32; leave --precision out{_remedy(kind)}"
        )
    return chosen


def has_bfloat16() -> bool:
    """Whether this machine's CPU has bfloat16 instructions (AMX, or AVX-512)."""
    try:
        with open("/proc/cpuinfo") as file:
            flags = next((line for line in file if line.startswith("flags")), "")
    except OSError:
        return False
    return bool(_BFLOAT16_FLAGS & set(flags.split()))


def _can_openvino(kind: Kind) -> bool:
    installed = importlib.util.find_spec("openvino") is not None
    return kind != "function" and installed and has_bfloat16()


def _require_openvino(option: str, model: str, kind: Kind, precision: Precision) -> None:
    if kind == "function":
        raise UserError(f"{option} {model}: --runtime openvino: expected a model, found a function")
    expected.package("--runtime openvino", "openvino", "openvino")
    if precision == "bfloat16" and not has_bfloat16():
        raise UserError(
            "--precision bfloat16: expected a CPU with amx_bf16 or avx512_bf16 for OpenVINO, found"
            " none; leave --precision out"
        )


def _remedy(kind: Kind) -> str:
    if kind != "function" and has_bfloat16():
        return f", or install OpenVINO: {how_to_install('openvino')}"
    return ""
