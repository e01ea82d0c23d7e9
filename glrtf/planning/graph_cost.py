"""Counts floating point operations and kept activations in a traced graph."""

import dataclasses
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

# The name of operations that tape.gradient adds. Custom gradients add operations with other names,
# but also later, and a graph lists its operations in the order of creation.
_BACKWARD = "gradient_tape/"

# The compiler recomputes these where they are used instead of storing their results: normalisation,
# activation and casts fuse into their consumers.
_RECOMPUTED = {
    *("Cast", "Identity", "IdentityN", "Reshape", "StopGradient", "Squeeze", "ExpandDims"),
    *("Mul", "Sub", "AddV2", "BiasAdd", "Sigmoid", "Rsqrt", "Maximum", "Minimum", "SelectV2"),
}

# Without a compiler the results of these are stored, except for operations that only reinterpret
# their input.
_VIEWS = {"Identity", "IdentityN", "Reshape", "StopGradient", "Squeeze", "ExpandDims"}

_WEIGHTS = {"Const", "ReadVariableOp", "Placeholder", "ResourceGather"}

# Backward passes read these only for their shape, which XLA knows statically.
_SHAPE_ONLY = {"Shape", "ShapeN", "Size", "Rank", "BroadcastGradientArgs", "ZerosLike", "OnesLike"}


@dataclasses.dataclass(frozen=True)
class GraphCost:
    """The cost of one forward and backward pass.

    Attributes:
        forward_flops: Operations of the forward pass; a multiply-add is two.
        backward_flops: Operations of the gradients.
        kept_bytes: Forward results that the backward pass reads and that must therefore stay in
            memory; each counted once, unpadded.
        flops_by_type: Operations by the graph's own names for them.
    """

    forward_flops: int
    backward_flops: int
    kept_bytes: int
    flops_by_type: dict[str, int]


def graph_cost(graph: Any, *, fused: bool = True) -> GraphCost:
    """Counts a graph whose shapes are all static.

    Convolutions and matrix products are counted; the rest (normalisation,
    activations, resizing) moves memory rather than computes, and is omitted, as in the published
    counts of these networks.

    Args:
        graph: A concrete function's graph, holding a forward pass and the
            gradients that a `tf.GradientTape` added.
        fused: Whether a compiler recomputes cheap operations where they are used; otherwise all
            results that the backward pass reads are stored.
    """
    forward: Counter[str] = Counter()
    backward: Counter[str] = Counter()
    kept_bytes = 0
    for one_graph in _all_graphs(graph):
        operations = _needed_operations(one_graph)
        first = next((i for i, op in enumerate(operations) if _BACKWARD in op.name), None)
        before, after = operations[:first], [] if first is None else operations[first:]
        for op in before:
            forward[op.type] += _flops(op)
        for op in after:
            backward[op.type] += _flops(op)
        kept_bytes += _kept_bytes(before, after, _RECOMPUTED if fused else _VIEWS)
    return GraphCost(
        forward_flops=sum(forward.values()),
        backward_flops=sum(backward.values()),
        kept_bytes=kept_bytes,
        flops_by_type={kind: count for kind, count in (forward + backward).items() if count},
    )


def _kept_bytes(before: list[Any], after: list[Any], repeated: set[str]) -> int:
    """Bytes of the forward results that the backward operations read."""
    # In the order of creation, a result's sources come before it.
    sources: dict[str, frozenset[str]] = {}
    sizes: dict[str, int] = {}
    for op in before:
        inherited = frozenset().union(*(sources.get(t.name, frozenset()) for t in op.inputs))
        for tensor in op.outputs:
            if op.type in _WEIGHTS:
                sources[tensor.name] = frozenset()
            elif op.type in repeated and not _joins_branches(op):
                sources[tensor.name] = inherited
            else:
                sources[tensor.name] = frozenset([tensor.name])
                sizes[tensor.name] = _num_bytes(tensor)
    kept: set[str] = set()
    for op in after:
        if op.type not in _SHAPE_ONLY:
            for tensor in op.inputs:
                kept |= sources.get(tensor.name, frozenset())
    return sum(sizes[name] for name in kept)


def _needed_operations(graph: Any) -> list[Any]:
    """A function's operations that its results need, in the order of creation.

    The others, such as the gradient of the first layer's input, are traced but
    never run.
    """
    waiting = [tensor.op for tensor in graph.outputs] + list(graph.control_outputs)
    needed: set[str] = set()
    while waiting:
        op = waiting.pop()
        if op.name not in needed:
            needed.add(op.name)
            waiting += [tensor.op for tensor in op.inputs]
            waiting += op.control_inputs
    return [op for op in graph.get_operations() if op.name in needed]


def _joins_branches(op: Any) -> bool:
    """Whether an addition closes a residual branch.

    Its result is stored: recomputing it would recompute the whole chain of blocks.
    """
    if op.type != "AddV2":
        return False
    left, right = op.inputs
    return left.shape.rank == 4 and left.shape.as_list() == right.shape.as_list()


def _all_graphs(graph: Any) -> Iterator[Any]:
    """A graph and those of the functions that it calls."""
    yield graph
    for op in graph.get_operations():
        for name in ("f", "body"):
            try:
                called = op.get_attr(name).name
            except (ValueError, AttributeError):
                continue
            function = graph._get_function(called)
            if function is not None:
                yield from _all_graphs(function.graph)


def _flops(op: Any) -> int:
    """Twice the multiply-adds of one operation; 0 for what only moves memory."""
    match op.type:
        case "MatMul" | "BatchMatMulV2":
            inner = _shape(op.inputs[0])[-2 if op.get_attr(_transpose_name(op)) else -1]
            return 2 * _size(op.outputs[0]) * inner
        case "Conv2D":
            return 2 * _size(op.outputs[0]) * _size(op.inputs[1]) // _shape(op.inputs[1])[-1]
        case "Conv2DBackpropInput":
            return 2 * _size(op.inputs[2]) * _size(op.inputs[1]) // _shape(op.inputs[1])[-1]
        case "Conv2DBackpropFilter":
            return 2 * _size(op.inputs[2]) * _size(op.outputs[0]) // _shape(op.outputs[0])[-1]
        case "DepthwiseConv2dNative":
            return 2 * _size(op.outputs[0]) * _window(op.inputs[1])
        case "DepthwiseConv2dNativeBackpropInput":
            return 2 * _size(op.inputs[2]) * _window(op.inputs[1])
        case "DepthwiseConv2dNativeBackpropFilter":
            return 2 * _size(op.inputs[2]) * _window(op.outputs[0])
    return 0


def _transpose_name(op: Any) -> str:
    return "transpose_a" if op.type == "MatMul" else "adj_x"


def _window(kernel: Any) -> int:
    height, width = _shape(kernel)[:2]
    return height * width


def _shape(tensor: Any) -> list[int]:
    return tensor.shape.as_list()


def _size(tensor: Any) -> int:
    return int(np.prod(_shape(tensor), dtype=np.int64))


def _num_bytes(tensor: Any) -> int:
    if tensor.shape.rank is None or not tensor.shape.is_fully_defined():
        return 0
    return _size(tensor) * tensor.dtype.size
