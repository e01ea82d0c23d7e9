"""Speed of the input pipeline, relative to TensorFlow's decoder and the original's pipeline.

    python benchmarks/input_pipeline.py [--size 640] [--seconds 6] [--rounds 3]

Photos are synthetic: 800 x 600 JPEGs of about 150 KB, 4 shards of 256. Every pipeline
runs in its own process, bound to one core and then to all. They run alternately so that a
busy machine slows all of them, and the best round counts. Rates are images per
second of wall time; `CPU ms` is CPU time per image, which other processes
disturb less. Memory is the process's peak resident set.
"""

import argparse
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SHARDS, PHOTOS_A_SHARD = 4, 256
KINDS = ("decode alone", "original", "host-resize", "exact resize", "device-resize")
ORIGINAL_BUFFER = 256
BATCH = 32


def write_shards(folder: Path) -> None:
    """Draws 32 photos and writes them, mixed, into shards."""
    import synthetic

    from tfrecords_tools import schema, tfrecord

    photos = synthetic.photos(32)
    for shard in range(SHARDS):
        with open(folder / f"train{shard:02d}.tfrec", "wb") as file:
            for row in range(PHOTOS_A_SHARD):
                photo = photos[(row * 7 + shard) % len(photos)]
                name = f"{shard * PHOTOS_A_SHARD + row:016x}"
                data = schema.encode_example(photo, name, row, row, 600, 800)
                head, tail = tfrecord.frame(data)
                file.write(head + data + tail)


def arrangement(kind: str, folder: str, size: int) -> Any:
    """The dataset of one pipeline; all but `decode alone` read the shards."""
    import tensorflow as tf

    from glrtf.config.data import InputConfig
    from glrtf.data.input_pipeline import train_batches

    everyone = tf.data.AUTOTUNE
    if kind == "decode alone":
        encoded = tf.data.Dataset.from_tensor_slices(encoded_photos(folder)).repeat()
        return encoded.map(
            lambda e: tf.io.decode_jpeg(e, channels=3), num_parallel_calls=everyone
        ).prefetch(everyone)
    if kind == "original":
        return original(folder, size)
    config = InputConfig(
        shuffle_buffer=512,
        image_mode="device-resize" if kind == "device-resize" else "host-resize",
        exact_resize=kind == "exact resize",
    )
    return train_batches(folder, size=size, batch_size=BATCH, config=config)


def encoded_photos(folder: str) -> list[bytes]:
    """The 32 different photos, in memory."""
    from glrtf.data.records import BadRecords, read_shard
    from glrtf.data.shards import open_shards
    from tfrecords_tools import schema

    shard = open_shards(folder).shards[0]
    records = (data for _, data in read_shard(shard, 0, BadRecords()))
    return [bytes(schema.decode_example(data)["encoded"]) for data in itertools.islice(records, 32)]


def original(folder: str, size: int) -> Any:
    """Decode, scale, resize and jitter in float32 on the host, then shuffle decoded images."""
    import tensorflow as tf

    from tfrecords_tools import schema

    def prepare(record: Any) -> Any:
        parsed = schema.parse_example(record)
        image = tf.cast(tf.io.decode_jpeg(parsed["encoded"], channels=3), tf.float32) / 255.0
        return tf.image.resize(image, [size, size]), parsed["label"]

    def jitter(image: Any, label: Any) -> Any:
        image = tf.image.random_flip_left_right(image)
        image = tf.image.random_hue(image, 0.01)
        image = tf.image.random_saturation(image, 0.7, 1.3)
        image = tf.image.random_contrast(image, 0.8, 1.2)
        return tf.image.random_brightness(image, 0.1), label

    paths = sorted(str(path) for path in Path(folder).glob("*.tfrec"))
    records = tf.data.TFRecordDataset(paths, num_parallel_reads=tf.data.AUTOTUNE)
    images = records.map(prepare, num_parallel_calls=tf.data.AUTOTUNE)
    images = images.map(jitter, num_parallel_calls=tf.data.AUTOTUNE).repeat()
    return images.shuffle(ORIGINAL_BUFFER).batch(BATCH).prefetch(tf.data.AUTOTUNE)


def measure(kind: str, folder: str, size: int, seconds: float) -> dict[str, float]:
    """Images per second, CPU seconds per image, peak bytes, seconds to the first batch."""
    import tensorflow as tf

    tf.constant(0).numpy()
    began = time.perf_counter()
    batches = iter(arrangement(kind, folder, size))
    images_a_step = 1 if kind == "decode alone" else BATCH
    next(batches)
    first = time.perf_counter() - began
    for _ in range(64 // images_a_step):
        next(batches)
    began, cpu, images = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - began < seconds:
        next(batches)
        images += images_a_step
    return {
        "rate": images / (time.perf_counter() - began),
        "cpu": (time.process_time() - cpu) / images,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "first": first,
    }


def in_own_process(kind: str, folder: str, arguments: argparse.Namespace, cores: str) -> Any:
    """Runs `measure` in a new process bound to these cores."""
    command = [sys.executable, __file__, "--measure", kind, "--folder", folder]
    command += ["--size", str(arguments.size), "--seconds", str(arguments.seconds)]
    shown = subprocess.run(
        ["taskset", "--cpu-list", cores, *command], capture_output=True, text=True, check=True
    )
    return json.loads(shown.stdout.splitlines()[-1])


def report(best: dict[str, dict[str, float]], cores: str) -> None:
    """Prints the table for these cores."""
    alone, first = best["decode alone"], best["original"]
    print(f"\ncores {cores}")
    print(
        f"{'arrangement':<14}{'images/s':>10}{'CPU ms':>9}{'of decode':>11}{'(by CPU)':>10}"
        f"{'of original':>13}{'peak MB':>9}{'first s':>9}"
    )
    for kind, found in best.items():
        print(
            f"{kind:<14}{found['rate']:>10.0f}{1e3 * found['cpu']:>9.2f}"
            f"{found['rate'] / alone['rate']:>11.2f}{alone['cpu'] / found['cpu']:>10.2f}"
            f"{found['rate'] / first['rate']:>13.2f}{found['peak'] / 1e6:>9.0f}"
            f"{found['first']:>9.2f}"
        )


def main() -> None:
    """Runs all pipelines, on one core and on all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=640)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(
            json.dumps(
                measure(arguments.measure, arguments.folder, arguments.size, arguments.seconds)
            )
        )
        return
    with tempfile.TemporaryDirectory() as folder:
        write_shards(Path(folder))
        everyone = ",".join(map(str, sorted(os.sched_getaffinity(0))))
        for cores in (everyone.split(",")[0], everyone):
            best: dict[str, dict[str, float]] = {}
            for _ in range(arguments.rounds):
                for kind in KINDS:
                    found = in_own_process(kind, folder, arguments, cores)
                    if kind not in best or found["rate"] > best[kind]["rate"]:
                        best[kind] = found
            report(best, cores)


if __name__ == "__main__":
    main()
