"""How the pixels that a model is used on differ from those it was trained on.

    python benchmarks/pixel_parity.py FOLDER [--size 384] [--max_side 800] [--most 200]

For each photo below FOLDER: what training sees (the shards' builder with ``--max_side``,
decoded, resized) next to what `glrtf.embed` of a photo folder, `glrtf.search` and `glrtf.serve`,
and the exported signature ``serving_default`` see. A row counts photos by how they differ;
below it stand the photos that differ most, and those that one side alone refuses.
"""

import argparse
import os
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

_SHOWN = 8


def sides(size: int, max_side: int | None) -> dict[str, Callable[[str], np.ndarray]]:
    """Each way from a file to uint8 (size, size, 3); they raise for what they refuse."""
    import tensorflow as tf

    from glrtf.data import decoding, records
    from glrtf.data.input_spec import InputSpec
    from glrtf.data.records import BadRecords
    from glrtf.data.shards import PhotoShard
    from glrtf.inference import serving
    from glrtf.service.photo_input import PhotoReader
    from tfrecords_tools import images, schema
    from tfrecords_tools.images import ImageSettings

    spec = InputSpec(size, max_side)
    resize = decoding.exact_resize(size)
    read = PhotoReader(spec)

    def resized(encoded: bytes) -> np.ndarray:
        place = np.empty((size, size, 3), np.uint8)
        resize(decoding.decode_on_host(encoded), place)
        return place

    def train(path: str) -> np.ndarray:
        built = images.inspect(Path(path).read_bytes(), ImageSettings(max_side=max_side))
        if built.fate == images.REJECTED:
            raise ValueError(built.reason)
        return resized(built.encoded)

    def folder(path: str) -> np.ndarray:
        shard = PhotoShard(path, 1, photos=((path, "0" * 16),))
        bad = BadRecords(None)
        found = [data for _, data in records.read_photos(shard, 0, bad, max_side)]
        if not found:
            raise ValueError(bad.report()[0].reason)
        return resized(schema.decode_example(found[0])["encoded"])

    @tf.function(input_signature=[tf.TensorSpec([], tf.string)], autograph=False)
    def graph(encoded: tf.Tensor) -> tf.Tensor:
        return serving._photo_input(encoded, spec)

    return {
        "train": train,
        "embed of a photo folder": folder,
        "search, serve": lambda path: read(Path(path).read_bytes()),
        "export, serving_default": lambda path: graph(Path(path).read_bytes()).numpy(),
    }


def photos(folder: str, most: int, unpacked: str) -> list[str]:
    """Up to `most` files below a folder, evenly spread; those of GLDv2's tars are unpacked.

    Args:
        folder: Photos, or a copy of GLDv2.
        most: How many.
        unpacked: An empty folder for those from tars.
    """
    tars = sorted(Path(folder).rglob("*.tar"))
    if not tars:
        every = sorted(str(path) for path in Path(folder).rglob("*") if path.is_file())
        return every[:: -(-len(every) // most)]
    paths = []
    for path in tars:
        with tarfile.open(path) as tar:
            members = [member for member in tar if member.name.endswith(".jpg")]
            for member in members[:: -(-len(members) * len(tars) // most)]:
                target = Path(unpacked, f"{len(paths)}-{os.path.basename(member.name)}")
                content = tar.extractfile(member)
                assert content is not None  # It is a file.
                target.write_bytes(content.read())
                paths.append(str(target))
    return paths


def differences(
    ways: dict[str, Callable[[str], np.ndarray]], paths: list[str]
) -> dict[str, list[tuple[int, float, str]]]:
    """For each way but training's, each photo's (largest, mean difference, name); -1: one refuses.

    Photos that both refuse are not listed.
    """
    found: dict[str, list[tuple[int, float, str]]] = {name: [] for name in ways if name != "train"}
    for path in paths:
        name = os.path.basename(path)
        expected = _pixels(ways["train"], path)
        for way, rows in found.items():
            pixels = _pixels(ways[way], path)
            if isinstance(pixels, str) and isinstance(expected, str):
                continue
            if isinstance(pixels, str) or isinstance(expected, str):
                reason = f"only {way} refuses: {pixels}"
                if isinstance(expected, str):
                    reason = f"only training refuses: {expected}"
                rows.append((-1, 0.0, f"{name} ({reason})"))
                continue
            gap = np.abs(pixels.astype(int) - expected)
            rows.append((int(gap.max()), float(gap.mean()), name))
    return found


def _pixels(way: Callable[[str], np.ndarray], path: str) -> np.ndarray | str:
    try:
        return way(path)
    except Exception as error:  # Each way has its own errors for what it refuses.
        return (str(error) or type(error).__name__).splitlines()[0][:80]


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--max_side", type=int, default=0, help="0 for none")
    parser.add_argument("--most", type=int, default=200, help="photos, evenly spread")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = photos(arguments.folder, arguments.most, folder)
        found = differences(sides(arguments.size, arguments.max_side or None), paths)
    print(f"{len(paths)} files, {arguments.size} px, max_side {arguments.max_side or 'none'}")
    print("| path | equal | within 1 | more | largest | mean | one side refuses |")
    print("|---|---|---|---|---|---|---|")
    for way, rows in found.items():
        both = [row for row in rows if row[0] >= 0]
        largest = max((row[0] for row in both), default=0)
        counts = [sum(test(row[0]) for row in both) for test in (_equal, _near, _far)]
        mean = np.mean([row[1] for row in both]) if both else 0.0
        refused = len(rows) - len(both)
        print(f"| {way} | {' | '.join(map(str, counts))} | {largest} | {mean:.3f} | {refused} |")
    for way, rows in found.items():
        for largest, mean, name in sorted(rows, reverse=True)[:_SHOWN]:
            if largest > 1:
                print(f"{way}: {name} differs by up to {largest} levels, {mean:.2f} on average")
        for largest, _, name in rows:
            if largest < 0:
                print(f"{way}: {name}")
    return 0


def _equal(largest: int) -> bool:
    return largest == 0


def _near(largest: int) -> bool:
    return largest == 1


def _far(largest: int) -> bool:
    return largest > 1


if __name__ == "__main__":
    raise SystemExit(main())
