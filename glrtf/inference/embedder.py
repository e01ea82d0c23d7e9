"""A model that is ready to embed."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from glrtf.data.input_spec import InputSpec

Precision: TypeAlias = Literal["float32", "bfloat16"]
Runtime: TypeAlias = Literal["tensorflow", "onnx", "openvino", "litert", "python"]

RUNTIME_NAMES = {
    **{"tensorflow": "TensorFlow", "onnx": "ONNX Runtime", "openvino": "OpenVINO"},
    **{"litert": "LiteRT", "python": "Python"},
}
"""What a runtime is called."""


@dataclasses.dataclass(frozen=True)
class Embedder:
    """A model ready to embed.

    Attributes:
        name: Where it came from.
        input: How a photo becomes its input.
        dimension: Length of its rows.
        digest: SHA-256 of its weights; of another project's model, of its bytes and manifest.
        embed: Prepared images uint8 (b, *input.shape) to float32 (b, dimension): TensorFlow's
            tensors where `in_graph`, else NumPy's arrays, one photo at a time with keep.
        source: Keeps the loaded model alive.
        precision: Of the network's arithmetic, float32 or bfloat16.
        runtime: What computes it.
        in_graph: Whether `embed` is for TensorFlow's graphs and replicas.
        stride: Sides at other scales are multiples of it.
        unit_views: Whether each view's row is divided by its length before the views are added up.
        preparation: The manifest of another project's model; None for this project's.
    """

    name: str
    input: InputSpec
    dimension: int
    digest: str
    embed: Callable[[Any], Any]
    source: Any
    precision: Precision = "float32"
    runtime: Runtime = "tensorflow"
    in_graph: bool = True
    stride: int = 32
    unit_views: bool = True
    preparation: dict[str, Any] | None = None

    @property
    def size(self) -> int:
        """Side of its input in pixels."""
        return self.input.size

    @property
    def max_side(self) -> int | None:
        """As of `InputSpec`."""
        return self.input.max_side

    @property
    def antialias(self) -> bool:
        """As of `InputSpec`."""
        return self.input.antialias

    def spec(self, size: int | None = None) -> InputSpec:
        """How a photo becomes its input, or one of another size."""
        return self.input.at(size) if size else self.input
