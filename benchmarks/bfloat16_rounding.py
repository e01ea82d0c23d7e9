"""Which roundings to bfloat16 move the rows of an EfficientNetV2 run, and by how much.

    python benchmarks/bfloat16_rounding.py WORKDIR SHARDS [--split index] [--photos 250]

The network of a run (v2b0 to v2b3) is computed in NumPy, in float32, and again with numbers rounded
to bfloat16 at chosen places; sums are float32 everywhere, as on accelerators. For each choice:
the cosine between the rows with and without rounding. The first choice rounds the inputs, kernels
and results of all layers up to the pooling, each once; TensorFlow's bfloat16 rounds in more places.
The others keep more and more in float32.
"""

import argparse
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float32]
Rounding: TypeAlias = Callable[[Array], Array]

# What `keras.applications` subtracts and divides by in the B variants.
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
_BATCH = 50


def exactly(values: Array) -> Array:
    """The same values."""
    return values


def to_bfloat16(values: Array) -> Array:
    """Rounded to the nearest bfloat16 numbers, ties to even; the upper 16 bits of float32."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).view(np.float32)


class Network:
    """An EfficientNetV2 with its embedding layer, in inference.

    Args:
        weights: The embedding model's variables, by their names in a checkpoint.
        table: The network's blocks.
        products: The name of a convolution -> how its inputs, kernel and result are rounded.
        others: How the results of all other layers up to the pooling are rounded.
    """

    def __init__(
        self,
        weights: Mapping[str, Array],
        table: list[Any],
        products: Callable[[str], Rounding],
        others: Rounding,
    ) -> None:
        self._weights, self._table = weights, table
        self._products, self._others = products, others

    def __call__(self, images: npt.NDArray[np.uint8]) -> Array:
        """Images (n, h, w, 3) to rows (n, d) of length 1."""
        pixels = images.astype(np.float32) / np.float32(255)
        x = self._others((pixels - _MEAN) / _DEVIATION)
        x = self._activate(self._norm(self._convolve(x, "stem_conv", 2), "stem_bn"))
        for block in self._table:
            x = self._block(x, block)
        x = self._activate(self._norm(self._convolve(x, "top_conv"), "top_bn"))
        rows = x.mean((1, 2)) @ self._weights["embedding/kernel"] + self._weights["embedding/bias"]
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def _block(self, inputs: Array, block: Any) -> Array:
        """A (fused) inverted residual bottleneck."""
        name, x = block.name, inputs
        alone = block.fused and block.expand_ratio == 1
        if block.expand_ratio != 1:
            x = self._convolve(x, f"{name}expand_conv", block.strides if block.fused else 1)
            x = self._activate(self._norm(x, f"{name}expand_bn"))
        if not block.fused:
            x = self._convolve(x, f"{name}dwconv2", block.strides)
            x = self._activate(self._norm(x, f"{name}bn"))
            gate = self._others(x.mean((1, 2), keepdims=True))
            gate = self._activate(self._convolve(gate, f"{name}se_reduce"))
            gate = self._others(_sigmoid(self._convolve(gate, f"{name}se_expand")))
            x = self._others(x * gate)
        x = self._convolve(x, f"{name}project_conv", block.strides if alone else 1)
        x = self._norm(x, f"{name}project_bn")
        x = self._activate(x) if alone else x
        if block.strides == 1 and block.input_filters == block.output_filters:
            x = self._others(x + inputs)
        return x

    def _convolve(self, x: Array, name: str, strides: int = 1) -> Array:
        """A convolution padded as TensorFlow's SAME, as one product per place of the kernel."""
        rounded = self._products(name)
        kernel = rounded(self._weights[f"{name}/kernel"])
        length = len(kernel)
        sides = [-(-side // strides) for side in x.shape[1:3]]
        missing = [
            max((out - 1) * strides + length - side, 0)
            for out, side in zip(sides, x.shape[1:3], strict=True)
        ]
        pads = [(one // 2, one - one // 2) for one in missing]
        x = np.pad(rounded(x), ((0, 0), *pads, (0, 0)))
        depth = x.shape[-1] if "dwconv" in name else kernel.shape[-1]
        total: Array = np.zeros((len(x), *sides, depth), np.float32)
        for row in range(length):
            for column in range(length):
                rows = slice(row, row + (sides[0] - 1) * strides + 1, strides)
                columns = slice(column, column + (sides[1] - 1) * strides + 1, strides)
                seen, factor = x[:, rows, columns], kernel[row, column]
                total = total + (seen * factor[:, 0] if "dwconv" in name else seen @ factor)
        bias = self._weights.get(f"{name}/bias")
        return rounded(total if bias is None else total + bias)

    def _norm(self, x: Array, name: str) -> Array:
        values = {part: self._weights[f"{name}/{part}"] for part in ("gamma", "beta")}
        mean, variance = (self._weights[f"{name}/moving_{part}"] for part in ("mean", "variance"))
        scale = values["gamma"] / np.sqrt(variance + np.float32(1e-3))
        return self._others(x * scale + (values["beta"] - mean * scale))

    def _activate(self, x: Array) -> Array:
        return self._others(x * _sigmoid(x))


def _sigmoid(x: Array) -> Array:
    # Below -80 the exponential overflows float32; the result is 0 to its last digit there.
    one = np.float32(1)
    return one / (one + np.exp(-np.maximum(x, np.float32(-80))))


def choices() -> dict[str, tuple[Callable[[str], Rounding], Rounding]]:
    """What is rounded, from everything to little: see `Network`."""

    def all_but(*parts: str) -> Callable[[str], Rounding]:
        return lambda name: exactly if any(part in name for part in parts) else to_bfloat16

    small = ("dwconv", "se_")
    return {
        "all layers": (all_but(), to_bfloat16),
        "convolutions only": (all_but(), exactly),
        "without depthwise, squeeze-excite": (all_but(*small), exactly),
        "also without stem and top": (all_but(*small, "stem", "top"), exactly),
        "expanding convolutions only": (all_but(*small, "stem", "top", "project"), exactly),
    }


def main() -> None:
    """Reads the run and the photos, and prints a line for each choice."""
    from glrtf.data.host_batches import evaluation_batches
    from glrtf.data.input_spec import InputSpec
    from glrtf.data.records import BadRecords
    from glrtf.data.shards import open_shards
    from glrtf.models import efficientnet_v2
    from glrtf.training import checkpoints

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workdir")
    parser.add_argument("shards")
    parser.add_argument("--split", default="index")
    parser.add_argument("--photos", type=int, default=250)
    arguments = parser.parse_args()
    config = checkpoints.read_config(arguments.workdir)
    arrays = checkpoints.find(arguments.workdir).arrays()
    weights = {
        name.removeprefix("embedding/"): value
        for name, value in arrays.items()
        if name.startswith("embedding/")
    }
    table = efficientnet_v2.blocks(efficientnet_v2.VARIANTS[config.backbone])
    shards = open_shards(arguments.shards, arguments.split)
    spec = InputSpec.of(config.input, config.size)
    batches = []
    for batch in evaluation_batches(shards, [spec], _BATCH, BadRecords()):
        batches.append(np.array(batch.images[0]))
        if len(batches) * _BATCH >= arguments.photos:
            break
    plain = _rows(Network(weights, table, lambda _: exactly, exactly), batches)
    print(f"{config.backbone} at {config.size} px, {len(plain)} photos; cosine to float32")
    print(f"{'rounded':36s}{'smallest':>10s}{'1 %':>10s}{'mean':>11s}")
    for name, (products, others) in choices().items():
        rows = _rows(Network(weights, table, products, others), batches)
        cosines = (rows * plain).sum(axis=1)
        low = np.quantile(cosines, 0.01)
        print(f"{name:36s}{cosines.min():10.5f}{low:10.5f}{cosines.mean():11.6f}")


def _rows(network: Network, batches: list[npt.NDArray[np.uint8]]) -> Array:
    return np.concatenate([network(batch) for batch in batches])


if __name__ == "__main__":
    main()
