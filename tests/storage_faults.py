"""Commands on Cloud Storage with one fault somewhere on the way, and what became of them.

A quiet run notes the requests a command makes. A trial is the same command with a fault at one
of them, once or for good. It must end with the quiet run's files, or with one line that names an
object; run again without the fault, it must end with the quiet run's files.
"""

import collections
import contextlib
import dataclasses
import random
import shutil
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from storage_emulator import Fault, Gate
from tiny_gldv2 import files_below

from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files, local_copies, remote

_PAGE = b"<!DOCTYPE html><html><body><h1>Sign in to continue</h1></body></html>"
_STATUSES = (400, 401, 403, 404, 409, 412, 429, 500, 503)
_OF_ANY = [*({"status": status} for status in _STATUSES), {"status": 200, "body": _PAGE}, {}]
_OF_DOWNLOADS = [{"spoil": how} for how in ("alter", "cut", "truncate")]
_FOR_GOOD = 10**6


@dataclasses.dataclass(frozen=True)
class Work:
    """A command.

    Attributes:
        name: What the table calls it.
        run: Runs it into a folder on ``gs://``.
        result: What must be equal, read from the folder.
    """

    name: str
    run: Callable[[str], object]
    result: Callable[[str], object]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What happened to a trial.

    Attributes:
        kind: ``equal``, ``line``, ``traceback`` or ``wrong``.
        fault: What was done.
        request: To which request.
        message: What was said.
    """

    kind: str
    fault: Fault
    request: str
    message: str


def trials(
    work: Work, gate: Gate, root: str, count: int, seed: int = 0, deadline: float = 1.0
) -> Iterator[Outcome]:
    """Runs a command `count` times, each time with another fault drawn from a seed.

    Args:
        work: The command.
        gate: Between it and storage.
        root: Where the trials' folders go, on ``gs://``.
        count: How many trials.
        seed: Equal seeds draw the same faults.
        deadline: Seconds after which a request with a fault is given up. The runs without a
            fault have the usual one, so that no trial depends on how busy the machine is.
    """
    gate.faults.clear()
    gate.requests.clear()
    work.run(f"{root}/quiet")
    requests = list(gate.requests)
    expected = work.result(f"{root}/quiet")
    generator = random.Random(seed)
    for number in range(count):
        place = generator.randrange(len(requests))
        line = requests[place]
        kinds = _OF_ANY + _OF_DOWNLOADS if "alt=media" in line else _OF_ANY
        times = generator.choice([1, _FOR_GOOD])
        fault = Fault("", times, place, **generator.choice(kinds))
        yield _trial(work, gate, f"{root}/{number}", expected, fault, line, deadline)


@contextlib.contextmanager
def _faulty(gate: Gate, fault: Fault, deadline: float) -> Iterator[None]:
    """Inside, a fault is on the way, and requests are given up soon."""
    usual, remote.DEADLINE = remote.DEADLINE, deadline
    gate.faults = [fault]
    try:
        yield
    finally:
        gate.faults = []
        remote.DEADLINE = usual


def _trial(
    work: Work, gate: Gate, folder: str, expected: object, fault: Fault, line: str, deadline: float
) -> Outcome:
    given = dataclasses.replace(fault)
    with _faulty(gate, fault, deadline):
        kind, message = _run(work, folder)
    if kind == "line":
        work.run(folder)
    if kind != "traceback" and work.result(folder) != expected:
        kind = "wrong"
    return Outcome(kind, given, line, message)


def _run(work: Work, folder: str) -> tuple[str, str]:
    """How a run ended, and what it said."""
    try:
        work.run(folder)
    except UserError as error:
        return "line" if "gs://" in str(error) else "traceback", str(error)
    except Exception:
        return "traceback", traceback.format_exc()
    return "equal", ""


def below(folder: str, *, without: str = "") -> dict[str, bytes]:
    """The objects below a folder, except those whose name holds `without`."""
    return {
        name: files.read_bytes(f"{folder}/{name}")
        for name, _ in files.walk(folder)
        if not (without and without in name)
    }


def counted(outcomes: list[Outcome]) -> dict[str, int]:
    """How many trials ended how."""
    found = collections.Counter(outcome.kind for outcome in outcomes)
    return {kind: found[kind] for kind in ("equal", "line", "traceback", "wrong")}


def build(folder: Path) -> Work:
    """Shards of one split from a tar in the bucket."""
    from tiny_gldv2 import write_unlabelled

    from tfrecords_tools import build as command
    from tfrecords_tools.build_config import BuildConfig

    source = "gs://bucket/gldv2"
    write_unlabelled(folder, "test")
    upload(folder, source)

    def run(output: str) -> None:
        command.build(BuildConfig(source, output, splits=["test"], num_shards=2, workers=1))

    return Work("build", run, lambda output: below(output, without="source_index"))


def retrieve(folder: Path) -> Work:
    """A ranking of sets in the bucket."""
    import retrieval_worlds

    from glrtf.commands import retrieve as command
    from glrtf.config.retrieval import RetrieveConfig
    from tfrecords_tools.command import cli

    world = retrieval_worlds.make_world(
        folder / "world", test=6, index=40, train=60, train_parts=2, landmarks=10
    )
    upload(world.folder, "gs://bucket/world")
    remote = [one.replace(str(world.folder), "gs://bucket/world") for one in world.arguments()]

    def run(output: str) -> None:
        # Sets are fetched every time.
        shutil.rmtree(local_copies.copies_folder(), ignore_errors=True)
        config = cli.parse(RetrieveConfig, [*remote, "--output", output], prog="retrieve")
        command.retrieve(config)

    names = ("submission.csv", "evidence.npz")
    return Work("retrieve", run, lambda out: [files.read_bytes(f"{out}/{name}") for name in names])


def embed(folder: Path) -> Work:
    """A set in the bucket of shards in the bucket."""
    import tensorflow as tf
    import tiny_models
    from shard_writing import write_split

    from glrtf.data.shards import open_shards
    from glrtf.inference import serving
    from glrtf.inference.embedders import load_embedder
    from glrtf.inference.extraction import embed_split
    from glrtf.inference.jobs import Job
    from glrtf.inference.tensorflow_runner import BatchRunner

    shards = "gs://bucket/shards"
    upload(write_split(folder / "data" / "test", [5, 4], split="test").parent, shards)
    size = tiny_models.EMBEDDING_SIZE
    serving.export(tiny_models.make_model(), size, str(folder / "model"), {"backbone": "small"})
    strategy = tf.distribute.get_strategy()
    embedder = load_embedder(str(folder / "model"))
    runner = BatchRunner(embedder, ["plain"], 4, strategy)

    def run(output: str) -> None:
        shutil.rmtree(local_copies.copies_folder(), ignore_errors=True)
        embed_split([Job(embedder, runner, output)], open_shards(shards, "test"), views=["plain"])

    return Work("embed", run, below)


def rows_import(folder: Path) -> Work:
    """A set in the bucket of an .npz file in the bucket."""
    import io

    import numpy as np

    from glrtf.commands import rows_import as command
    from glrtf.config.rows import RowsImportConfig

    source, buffer = "gs://bucket/foreign/rows.npz", io.BytesIO()
    rows = np.random.default_rng(0).normal(size=(20, 6))
    np.savez(buffer, rows=rows, ids=np.arange(20))
    files.write_bytes(source, buffer.getvalue())

    def run(output: str) -> None:
        shutil.rmtree(local_copies.copies_folder(), ignore_errors=True)
        command.rows_import(RowsImportConfig(source, output, "other"))

    return Work("rows_import", run, below)


def whiten(folder: Path) -> Work:
    """Mapped sets in the bucket of sets in the bucket."""
    from glrtf.commands import whiten as command
    from glrtf.config.whitening import WhitenConfig

    world = _uploaded_world(folder)

    def run(output: str) -> None:
        shutil.rmtree(local_copies.copies_folder(), ignore_errors=True)
        config = WhitenConfig(
            [f"{world}/train"], output, index=[f"{world}/index"], landmarks=f"{world}/train.csv"
        )
        command.whiten(config)

    return Work("whiten", run, below)


def index_add(folder: Path) -> Work:
    """A set in the bucket to which rows of another one are added."""
    import numpy as np

    from glrtf.commands import index_add as command
    from glrtf.config.index import IndexAddConfig
    from glrtf.embeddings.embedding_set import EmbeddingSet

    world = _uploaded_world(folder)
    before = below(f"{world}/index")

    def run(output: str) -> None:
        # Its description last: without it, the set is copied again.
        if not files.exists(f"{output}/embedding_set.json"):
            for name in sorted(before, key="embedding_set.json".__eq__):
                files.write_bytes(f"{output}/{name}", before[name])
        shutil.rmtree(local_copies.copies_folder(), ignore_errors=True)
        command.index_add(IndexAddConfig(output, rows=f"{world}/test"))

    def rows(output: str) -> tuple[object, ...]:
        opened = EmbeddingSet.open(output)
        return (
            opened.generation,
            opened.ids.tolist(),
            opened.take(np.arange(opened.num_rows)).tolist(),
        )

    return Work("index_add", run, rows)


def _uploaded_world(folder: Path) -> str:
    import retrieval_worlds

    world = retrieval_worlds.make_world(
        folder / "world", test=6, index=40, train=60, train_parts=2, landmarks=10
    )
    target = f"gs://bucket/{folder.name}-world"
    upload(world.folder, target)
    return target


def upload(folder: Path, target: str) -> None:
    """Copies a local folder's files below a prefix."""
    for name, data in files_below(folder).items():
        files.write_bytes(f"{target}/{name}", data)
