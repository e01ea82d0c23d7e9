"""The builder's speed and memory, with their limits: `python benchmarks/tfrecords.py`.

Every figure is a ratio of two things measured in this run, or peak memory. Files are written to
a temporary folder (--folder chooses the disk) and dropped from the page cache before each read.
"""

import argparse
import io
import multiprocessing
import os
import resource
import shutil
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from tfrecords_tools import build, images, inventory, labels, sharding
from tfrecords_tools.build import BuildConfig
from tfrecords_tools.gldv2 import MEMBERS_DTYPE, Layout, member_path
from tfrecords_tools.images import ImageSettings
from tfrecords_tools.scans import TarScan
from tfrecords_tools.specs import Fold


def _photo(seed: int, width: int, height: int, quality: int) -> bytes:
    """A JPEG of smooth noise, about as hard to compress as a photo."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(128, 60, (height // 8, width // 8, 3)).clip(0, 255).astype(np.uint8)
    smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    grain = rng.normal(0, 12, (height, width, 3))
    encoded = io.BytesIO()
    pixels = (np.asarray(smooth) + grain).clip(0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(encoded, "JPEG", quality=quality)
    return encoded.getvalue()


def _write_source(root: Path, photos: list[bytes], count: int, num_tars: int) -> None:
    """Writes `count` images in GLDv2's layout, of 100 landmarks, without md5 files."""
    numbers = np.random.default_rng(0).permutation(np.arange(1, count + 1, dtype=np.uint64))
    numbers *= np.uint64(0x9E3779B97F4A7C15)
    (root / "train").mkdir(parents=True)
    for tar, part in enumerate(np.array_split(numbers, num_tars)):
        with (root / "train" / f"images_{tar:03d}.tar").open("wb") as file:
            for row, number in enumerate(part.tolist()):
                data = photos[row % len(photos)]
                info = tarfile.TarInfo(member_path(number))
                info.size = len(data)
                file.write(info.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % 512))
            file.write(bytes(1024))
            os.fsync(file.fileno())
    _write_labels(root, numbers)


def _write_labels(root: Path, numbers: np.ndarray) -> None:
    (root / "metadata").mkdir(parents=True, exist_ok=True)
    with (root / "metadata" / "train.csv").open("w") as file:
        file.write("id,url,landmark_id\n")
        for row, number in enumerate(numbers.tolist()):
            file.write(f"{number:016x},https://example.org/{row}.jpg,{row % 100}\n")


def _forget(root: Path) -> None:
    """Drops a folder's files from the page cache."""
    os.sync()
    for path in root.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _raw_copy(root: Path, output: Path) -> None:
    """One process reads the tars and writes the same bytes, with fsync."""
    output.mkdir()
    for path in sorted((root / "train").iterdir()):
        with path.open("rb") as source, (output / path.name).open("wb") as file:
            while block := source.read(1 << 20):
                file.write(block)
            os.fsync(file.fileno())


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _processor_seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _in_child(work: Callable[..., None], *arguments: object) -> tuple[float, float]:
    """Runs work in a fresh process and returns its seconds and peak memory in GB."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(
        target=_measured, args=(sender, work, arguments)
    )
    process.start()
    seconds, peak = receiver.recv()
    process.join()
    return seconds, peak


def _measured(sender, work, arguments) -> None:
    seconds = _seconds(lambda: work(*arguments))
    own, children = (
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    sender.send((seconds, max(own, children) * 1024 / 1e9))


def _build(root: Path, output: Path, settings: dict) -> None:
    build.build(BuildConfig(str(root), str(output), ["train"], **settings))


def _row(name: str, value: str, limit: str, *, met: bool) -> None:
    print(f"{name:<58} {value:>12} {limit:>12}  {'yes' if met else 'NO'}", flush=True)


def pass_through(folder: Path, count: int, rounds: int) -> None:
    """Speed of the build relative to a raw copy, with one worker and with one per processor."""
    photos = [_photo(seed, 800, 600, 90) for seed in range(16)]
    mean = sum(map(len, photos)) / len(photos)
    root = folder / "photos"
    _write_source(root, photos, count, 8)
    print(f"  {count} JPEGs of {mean / 1000:.0f} KB, {count * mean / 1e6:.0f} MB; best of {rounds}")
    raw, built = [], {1: [], os.cpu_count(): []}
    for attempt in range(rounds):
        _forget(root)
        copy = folder / f"raw{attempt}"
        raw.append(_seconds(lambda output=copy: _raw_copy(root, output)))
        shutil.rmtree(copy)
        for workers, times in built.items():
            _forget(root)
            output = folder / f"built{workers}-{attempt}"
            settings = {"shard_size": "50MB", "workers": workers}
            times.append(_seconds(lambda o=output, s=settings: _build(root, o, s)))
            shutil.rmtree(output)
    total = count * mean / 1e6
    print(f"  raw copy {total / min(raw):.0f} MB/s")
    for workers, times in built.items():
        ratio = min(raw) / min(times)
        name = f"build, {workers} workers ({total / min(times):.0f} MB/s) / raw copy"
        _row(name, f"{ratio:.2f}", ">= 0.50", met=ratio >= 0.5)
    # In CPU time, which other work on the machine distorts less than wall time.
    inspecting = _processor_seconds(lambda: _inspect(photos, count, ImageSettings()))
    whole = _processor_seconds(
        lambda: _build(root, folder / "timed", {"shard_size": "50MB", "workers": 1})
    )
    share = inspecting / whole
    _row("header check / build, processor time", f"{share:.2%}", "< 5%", met=share < 0.05)


def _inspect(photos: list[bytes], count: int, settings: ImageSettings) -> None:
    for row in range(count):
        assert images.inspect(photos[row % len(photos)], settings).fate == images.KEPT


def decode_check(count: int) -> None:
    """Speed of --verify decode relative to simplejpeg and to TensorFlow."""
    import simplejpeg

    photos = [_photo(seed, 800, 600, 90) for seed in range(16)]
    settings = ImageSettings(verify="decode")
    checking = min(_seconds(lambda: _inspect(photos, count, settings)) for _ in range(3))
    rows = [photos[row % len(photos)] for row in range(count)]
    simple = min(
        _seconds(lambda: [simplejpeg.decode_jpeg(data) for data in rows]) for _ in range(3)
    )
    _row("decode check / simplejpeg's decode", f"{simple / checking:.2f}", ">= 0.90",
         met=simple / checking >= 0.9)  # fmt: skip
    import tensorflow as tf

    by_tf = min(
        _seconds(lambda: [tf.io.decode_jpeg(data, channels=3) for data in rows]) for _ in range(3)
    )
    _row("decode check / TensorFlow's decode", f"{by_tf / checking:.2f}", ">= 0.90",
         met=by_tf / checking >= 0.9)  # fmt: skip


def tiny_records(folder: Path, count: int) -> None:
    """Peak memory of a build of very many images in one shard."""
    root = folder / "tiny"
    _write_source(root, [_photo(seed, 16, 16, 50) for seed in range(16)], count, 4)
    settings = {"num_shards": 1, "workers": 1}
    seconds, peak = _in_child(_build, root, folder / "tiny_out", settings)
    name = f"{count} tiny images in one shard ({seconds:.0f} s): peak memory"
    _row(name, f"{peak:.2f} GB", "< 1 GB", met=peak < 1)


def _plan(root: Path, numbers_path: Path) -> None:
    """The whole plan of a full split: labels, inventory, validation, shards, digests."""
    numbers = np.load(numbers_path, allow_pickle=False)
    scans = []
    for tar, part in enumerate(np.array_split(numbers, 500)):
        members = np.zeros(len(part), MEMBERS_DTYPE)
        members["id"], members["size"] = part, 120_000
        members["offset"] = np.arange(len(part), dtype=np.uint64) * np.uint64(120_832)
        unread = np.zeros(len(part), np.uint32)
        scans.append(
            TarScan(f"images_{tar:03d}.tar", 10**9, f"{tar:032x}", "", members, (), unread)
        )
    layout = Layout("train", str(root), str(root / "train"), tuple(scan.tar for scan in scans))
    read = labels.read_labels(str(root), "train", "full")
    found = inventory.take_inventory(layout, read, scans)
    chosen = sharding.validation_mask(read.ids, read.labels, 0.01)
    mask = np.isin(found.images.ids, read.ids[chosen])
    plan = sharding.plan_shards(found.images.take(~mask), 3000)
    digests = {scan.tar: scan.digest for scan in scans}
    fold = Fold("train", "out", layout, digests, plan, read.landmark_ids, ImageSettings())
    assert sum(len(spec.images) for spec in fold.specs()) == len(plan.images)


def planning(folder: Path, count: int) -> None:
    """Seconds and peak memory of planning a full split."""
    numbers = np.random.default_rng(0).permutation(np.arange(1, count + 1, dtype=np.uint64))
    numbers *= np.uint64(0x9E3779B97F4A7C15)
    root = folder / "plan"
    root.mkdir()
    np.save(root / "numbers.npy", numbers)
    _write_labels(root, numbers)
    seconds, peak = _in_child(_plan, root, root / "numbers.npy")
    _row(f"plan of {count} ids: seconds", f"{seconds:.1f} s", "< 120 s", met=seconds < 120)
    _row(f"plan of {count} ids: peak memory", f"{peak:.2f} GB", "< 2 GB", met=peak < 2)


def main() -> None:
    """Runs the selected parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parts = ("pass_through", "decode_check", "tiny_records", "planning")
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts)
    parser.add_argument("--folder", help="where the files are made; default: the temporary folder")
    parser.add_argument("--images", type=int, default=4000, help="of the pass-through")
    parser.add_argument("--rounds", type=int, default=3, help="of the pass-through")
    parser.add_argument("--tiny", type=int, default=1_000_000, help="how many tiny images")
    parser.add_argument("--ids", type=int, default=5_000_000, help="how many ids are planned")
    options = parser.parse_args()
    print(f"{'':58} {'measured':>12} {'limit':>12}  met")
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        if "pass_through" in options.parts:
            pass_through(Path(name), options.images, options.rounds)
        if "decode_check" in options.parts:
            decode_check(400)
        if "tiny_records" in options.parts:
            tiny_records(Path(name), options.tiny)
        if "planning" in options.parts:
            planning(Path(name), options.ids)


if __name__ == "__main__":
    sys.exit(main())
