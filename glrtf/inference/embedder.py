"""A model that is ready to embed."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from glrtf.data.input_spec import InputSpec
from glrtf.embeddings.adapter import Adapter
from glrtf.embeddings.adapter import load as load_adapter
from glrtf.inference.sides import scaled_side

Precision: TypeAlias = Literal["float32", "bfloat16"]
Runtime: TypeAlias = Literal["tensorflow", "onnx", "openvino", "litert", "python"]

RUNTIME_NAMES = {
    **{"tensorflow": "TensorFlow", "onnx": "ONNX Runtime", "openvino": "OpenVINO"},
    **{"litert": "LiteRT", "python": "Python"},
}
"""The name of a runtime."""


@dataclasses.dataclass(frozen=True)
class Embedder:
    """A model ready to embed.

    Attributes:
        name: Where it came from.
        input: How a photo becomes its input.
        dimension: Length of its rows.
        digest: SHA-256 of its weights; of another project's model, of its bytes and manifest.
        embed: Prepared images uint8 (b, *input.shape) to float32 (b, dimension): TensorFlow tensors
            if `in_graph`, else NumPy arrays, one photo at a time with keep.
        source: Keeps the loaded model alive.
        precision: Of the network's arithmetic, float32 or bfloat16.
        runtime: Its runtime.
        in_graph: Whether `embed` is for TensorFlow's graphs and replicas.
        stride: Sides at other scales are multiples of this.
        unit_views: Whether each view's row is divided by its length before the views are added up.
        preparation: The manifest of another project's model; None for this project's.
        adapter: Maps the sums of the views to the rows of the sets; None for none.
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
    adapter: Adapter | None = None

    def adapted_by(self, folder: str) -> "Embedder":
        """The same model with an adapter, which gives its sets their model name and digest.

        Args:
            folder: The adapter's; empty for none.

        Raises:
            UserError: If it is missing or damaged, or was fitted on another model's rows.
        """
        if not folder:
            return self
        adapter = load_adapter(folder)
        said = {"model": self.name, "model_digest": self.digest}
        adapter.require_models(f"--adapter {folder}", [said])
        meta = adapter.meta([said])
        return dataclasses.replace(
            self, name=meta["model"], digest=meta["model_digest"], adapter=adapter
        )

    def description(self) -> dict[str, Any]:
        """What its sets record of any model: JSON values; see `preparation` for others."""
        return {
            "model": self.name,
            "model_digest": self.digest,
            "size": self.size,
            "max_side": self.max_side or 0,
            "antialias": self.antialias,
            "precision": self.precision,
        }

    def finished(self, rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The model's rows (n, dimension) as stored in its sets."""
        return self.adapter.apply(rows) if self.adapter else rows

    @property
    def size(self) -> int:
        """Side of its input in pixels."""
        return self.input.size

    @property
    def max_side(self) -> int | None:
        """See `InputSpec`."""
        return self.input.max_side

    @property
    def antialias(self) -> bool:
        """See `InputSpec`."""
        return self.input.antialias

    def spec(self, size: int | None = None) -> InputSpec:
        """How a photo becomes its input, or one of another size."""
        return self.input.at(size) if size else self.input

    def specs(self, scales: Sequence[float]) -> list[InputSpec]:
        """How a photo becomes its input at each scale of its own size."""
        return [self.spec(scaled_side(self.size, scale, self.stride)) for scale in scales]
