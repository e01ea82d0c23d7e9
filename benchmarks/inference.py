"""The model's share of extraction time, and the speed of joining sets.

    python benchmarks/inference.py [extraction] [runtimes] [join]

extraction: v2s at 384 with random weights embeds a shard of synthetic 800 x 600 photos,
view plain; compared with running the same batches, already in memory, through the model alone.
runtimes: TensorFlow, ONNX Runtime, LiteRT and OpenVINO in float32, and OpenVINO in bfloat16, run
v2b0 at 224 and v2s at 384 (random weights) in turns.
join: five sets of 512 dimensions over the same shards are read as one of 2560 and
written to a file; compared with copying the five sets' bytes. Each runs in its own process;
peak memory excludes imports. Ratios are within one run and printed with their limits.
"""

import functools
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SIZE, BATCH, PHOTOS = 384, 8, 128
MODELS, ROWS, DIMENSION = 5, 100_000, 512
BLOCK = 128


def extraction() -> None:
    """The model's share of the wall time of embedding shards."""
    import numpy as np
    import tensorflow as tf
    from input_pipeline import write_shards

    from glrtf.data.input_pipeline import eval_batches
    from glrtf.data.input_spec import InputSpec
    from glrtf.data.records import BadRecords
    from glrtf.data.shards import Shard, ShardSet
    from glrtf.inference.embedder import Embedder
    from glrtf.inference.jobs import Job
    from glrtf.inference.serving import to_unit_range
    from glrtf.inference.shard_rows import embed_shards
    from glrtf.inference.tensorflow_runner import BatchRunner
    from glrtf.models.retrieval_model import build_embedding_model

    model = build_embedding_model("v2s", SIZE)
    network = tf.function(
        lambda images: model(to_unit_range(images), training=False),
        input_signature=[tf.TensorSpec([None, SIZE, SIZE, 3], tf.uint8)],
        autograph=False,
    )
    embedder = Embedder("v2s", InputSpec(SIZE), 512, "", network, model)
    strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    runner = BatchRunner(embedder, ("plain",), BATCH, strategy)
    with tempfile.TemporaryDirectory() as folder:
        write_shards(Path(folder))
        shards = ShardSet((Shard(f"{folder}/train00.tfrec", PHOTOS),), "test")
        cut_shard(Path(shards.shards[0].path), PHOTOS)
        images = [each["image"] for each in eval_batches(shards, size=SIZE, batch_size=BATCH)]

        def alone() -> None:
            for batch in images:
                runner.rows(runner(batch), len(batch))

        def whole() -> None:
            job = Job(embedder, runner, "")
            [rows], _ = embed_shards([job], shards, BadRecords())
            assert np.isfinite(rows).all() and len(rows) == PHOTOS

        in_model, together = best_seconds(alone, whole)
        processor = [processor_seconds(each) for each in (alone, whole)]
    print(f"extraction: v2s at {SIZE}, {PHOTOS} photos in batches of {BATCH}")
    print(f"  the model alone {in_model:.2f} s, from shard to rows {together:.2f} s")
    print(f"  share in the model {in_model / together:.3f} (at least 0.9)")
    print(f"  by processor time {processor[0]:.2f} s of {processor[1]:.2f} s", end="")
    print(f", {processor[0] / processor[1]:.3f}")


def runtimes(backbone: str = "v2b0", size: int = 224, photos: int = 32, rounds: int = 3) -> None:
    """Photos per CPU second of each runtime and precision, called in turns in this process.

    Args:
        backbone: The network, of random weights.
        size: Side of its input, pixels.
        photos: Of a call.
        rounds: Turns; the best of each counts.
    """
    import numpy as np
    import tensorflow as tf

    from glrtf.data.input_spec import InputSpec
    from glrtf.inference import formats
    from glrtf.inference.descriptors import openvino_models
    from glrtf.inference.embedder import Embedder
    from glrtf.inference.embedders import load_embedder
    from glrtf.inference.serving import to_unit_range
    from glrtf.models.retrieval_model import build_embedding_model

    model = build_embedding_model(backbone, size)
    network = tf.function(
        lambda images: model(to_unit_range(images), training=False),
        input_signature=[tf.TensorSpec([None, size, size, 3], tf.uint8)],
        autograph=False,
    )
    ours = Embedder(backbone, InputSpec(size), 512, "benchmark", network, model)
    images = np.random.default_rng(0).integers(0, 256, (photos, size, size, 3), np.uint8)
    calls: dict[str, Callable[[], Any]] = {"tensorflow float32": lambda: network(images).numpy()}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TFRECORDS_TOOLS_CACHE"] = folder
        for name, kind in (("onnx", "onnx"), ("litert", "tflite")):
            formats.export_file(model, size, f"{folder}/model.{kind}", kind)
            loaded = load_embedder(f"{folder}/model.{kind}")
            calls[f"{name} float32"] = functools.partial(loaded.embed, images)
        for precision in ("float32", "bfloat16"):
            found = openvino_models.converted(ours, precision, any_size=False)
            calls[f"openvino {precision}"] = functools.partial(found.embed, images)
        rows = {name: call() for name, call in calls.items()}
        best = dict.fromkeys(calls, float("inf"))
        for _ in range(rounds):
            for name, call in calls.items():
                best[name] = min(best[name], processor_seconds(call))
    first = next(iter(calls))
    print(f"runtimes: {backbone} at {size}, {photos} photos a call, the best of {rounds}")
    for name, seconds in best.items():
        cosines = (rows[name] * rows[first]).sum(1)
        ratio = best[first] / seconds
        print(
            f"  {name:<20} {seconds:.3f} CPU s, {photos / seconds:.1f} photos a CPU s,"
            f" {ratio:.2f} x TensorFlow's, smallest cosine {cosines.min():.5f}",
            flush=True,
        )


def both_runtimes() -> None:
    """The two networks of the targets."""
    runtimes()
    runtimes("v2s", SIZE, BATCH)


def cut_shard(path: Path, records: int) -> None:
    """Truncates a shard to its first records."""
    from tfrecords_tools import tfrecord

    with path.open("rb") as file:
        kept = [data for data, _ in zip(tfrecord.read_records(file), range(records), strict=False)]
    path.write_bytes(b"".join(frame + tail for frame, tail in framed(kept)))


def framed(rows: list[bytes]) -> list[tuple[bytes, bytes]]:
    """Records as they are stored in a file, in two pieces each."""
    from tfrecords_tools import tfrecord

    frames = [(tfrecord.frame(data), data) for data in rows]
    return [(head + data, tail) for (head, tail), data in frames]


def best_seconds(*functions: Callable[[], Any], rounds: int = 2) -> list[float]:
    """Best time of each function, called alternately, after one call each that traces."""
    best = [float("inf")] * len(functions)
    for turn in range(rounds + 1):
        for place, function in enumerate(functions):
            began = time.perf_counter()
            function()
            if turn:
                best[place] = min(best[place], time.perf_counter() - began)
    return best


def processor_seconds(function: Callable[[], Any]) -> float:
    """CPU time of a call, which other work on the machine disturbs less than wall time."""
    began = time.process_time()
    function()
    return time.process_time() - began


def join() -> None:
    """Compares joining five sets with copying their bytes."""
    with tempfile.TemporaryDirectory() as folder:
        in_own_process(write_sets, folder)
        # Alternately: the first file written to an idle disk cache costs more than the next.
        works = (copy_sets, copy_sets_fast, join_sets)
        turns = [[in_own_process(work, folder)[0] for work in works] for _ in range(3)]
        copied, fast, joined = (min(seconds) for seconds in zip(*turns, strict=True))
        _, peak = in_own_process(join_sets_watched, folder)
    print(f"join: {MODELS} sets of {ROWS} x {DIMENSION}")
    print(f"  copied {copied:.2f} s, joined {joined:.2f} s, {peak / 1e6:.0f} MB of memory (< 500)")
    print(f"  rate over a copy's {copied / joined:.2f} (at least 0.7), in equal blocks")
    print(f"  rate over that of a copy in blocks of 2 MiB ({fast:.2f} s) {fast / joined:.2f}")


def in_own_process(function: Callable[[str, Any], None], folder: str) -> tuple[float, int]:
    """Runs a function in a fresh process and returns its seconds and peak bytes."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=function, args=(folder, results))
    process.start()
    found = results.get()
    process.join()
    return found


def write_sets(folder: str, results: Any) -> None:
    """Writes the sets, in two parts each."""
    import numpy as np

    from glrtf.embeddings import embedding_set

    ids = np.array([f"{number:016x}" for number in range(ROWS)], "S16")
    for model in range(MODELS):
        generator = np.random.default_rng(model)
        for part, rows in enumerate(np.array_split(np.arange(ROWS), 2)):
            values = generator.standard_normal((len(rows), DIMENSION), np.float32)
            values /= np.linalg.norm(values, axis=1, keepdims=True)
            embedding_set.write_part(f"{folder}/{model}", part, 2, values, ids[rows])
        embedding_set.finish(f"{folder}/{model}", 2, model=str(model))
    results.put((0.0, 0))


def copy_sets(folder: str, results: Any) -> None:
    """Copies the rows of all sets into one file, in blocks of as many rows as are joined."""
    copy_in_blocks(folder, results, BLOCK * DIMENSION * 4)


def copy_sets_fast(folder: str, results: Any) -> None:
    """Does the same in blocks of 2 MiB, which was faster."""
    copy_in_blocks(folder, results, 2 << 20)


def copy_in_blocks(folder: str, results: Any, bytes_at_once: int) -> None:
    """Puts the seconds of copying the rows of all sets into one file."""
    began = time.perf_counter()
    with open(f"{folder}/copy", "wb") as target:
        for path in sorted(Path(folder).glob("*/embeddings-*.npy")):
            with path.open("rb") as source:
                while block := source.read(bytes_at_once):
                    target.write(block)
    results.put((time.perf_counter() - began, 0))


def join_sets(folder: str, results: Any) -> None:
    """Reads the joined rows block by block into one file."""
    results.put((join_into_a_file(folder, lambda: 0), 0))


def join_sets_watched(folder: str, results: Any) -> None:
    """Does the same, measuring memory after every block, which takes longer."""
    before = anonymous_bytes()
    seen = [before]
    seconds = join_into_a_file(folder, lambda: seen.append(anonymous_bytes()))
    results.put((seconds, max(seen) - before))


def join_into_a_file(folder: str, after_each_block: Callable[[], Any]) -> float:
    """Seconds to join the sets into one file."""
    from glrtf.embeddings.embedding_set import EmbeddingSet
    from glrtf.embeddings.joined_rows import join

    began = time.perf_counter()
    joined = join([EmbeddingSet.open(f"{folder}/{model}") for model in range(MODELS)])
    with open(f"{folder}/joined", "wb") as target:
        for part, length in enumerate(joined.part_lengths):
            for start in range(0, length, BLOCK):
                rows = joined.read(part, start, min(start + BLOCK, length))
                after_each_block()
                target.write(memoryview(rows).cast("B"))
    return time.perf_counter() - began


def anonymous_bytes() -> int:
    """This process's resident memory without mapped files, which the system can reclaim."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("RssAnon:")[2].split()[0])


def main() -> None:
    """Runs the parts named on the command line, or all."""
    parts = {"extraction": extraction, "runtimes": both_runtimes, "join": join}
    for name in sys.argv[1:] or parts:
        parts[name]()


if __name__ == "__main__":
    main()
