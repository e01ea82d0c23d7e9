"""A model as its file describes it: its inputs and outputs, and a way to run it."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from tfrecords_tools.errors import UserError


@dataclasses.dataclass(frozen=True)
class TensorInfo:
    """One input or output.

    Attributes:
        name: As in the file.
        shape: None for a dimension that the file leaves open; None as a whole if the file has no
            shape.
        dtype: NumPy's name of the type; empty if the file has none.
    """

    name: str
    shape: tuple[int | None, ...] | None
    dtype: str

    def __str__(self) -> str:
        sides = (
            "?"
            if self.shape is None
            else ", ".join("n" if s is None else str(s) for s in self.shape)
        )
        return f"{self.name} {self.dtype or '?'} ({sides})"


@dataclasses.dataclass(frozen=True)
class RawModel:
    """A loaded model.

    Attributes:
        inputs: What it takes.
        outputs: What it gives.
        run: Maps an input array and an output's name
            to that output; TensorFlow tensors if `in_graph`, else NumPy arrays.
        digest: SHA-256 of its bytes.
        runtime: The runtime: tensorflow, onnx, openvino, litert or python.
        in_graph: Whether `run` can be part of TensorFlow's graph.
        source: Keeps it alive.
        suggested: Manifest settings that the model itself defines, such as a preset's.
    """

    inputs: Sequence[TensorInfo]
    outputs: Sequence[TensorInfo]
    run: Callable[[Any, str, str], Any]
    digest: str
    runtime: Any
    in_graph: bool = False
    source: Any = None
    suggested: dict[str, Any] = dataclasses.field(default_factory=dict)


def chosen(
    model: str, tensors: Sequence[TensorInfo], wanted: str | None, what: str, option: str
) -> TensorInfo:
    """The tensor with a given name, or the only one.

    Args:
        model: Its name, for messages.
        tensors: The inputs, or the outputs.
        wanted: A name; None takes the only one.
        what: ``"input"`` or ``"output"``.
        option: The flag that chooses.

    Raises:
        UserError: If there is no tensor of that name, or there are several and no name was given.
    """
    listed = "; ".join(map(str, tensors)) or "none"
    if wanted is not None:
        for each in tensors:
            if each.name == wanted:
                return each
        raise UserError(
            f"{model}: {option}: expected an {what} of the model, found {wanted!r}; it has {listed}"
        )
    if len(tensors) == 1:
        return tensors[0]
    raise UserError(
        f"{model}: expected one {what}, found {len(tensors)} ({listed});"
        f" choose one with {option} NAME"
    )
