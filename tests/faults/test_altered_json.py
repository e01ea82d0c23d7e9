"""Every value of the JSON files that are read, replaced by odd ones: a value or one line."""

import collections
import copy
import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
import retrieval_worlds as worlds
from retrieval_files import write_retrieval
from shard_writing import write_split

from glrtf.commands import demo, whiten
from glrtf.commands.demo_stages import Stages
from glrtf.config import keras_file
from glrtf.config.whitening import WhitenConfig
from glrtf.data.shards import open_shards
from glrtf.embeddings import digests
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.evaluation.results import read_result
from glrtf.evaluation.revisited import read_ground_truth
from glrtf.evaluation.revisited_layout import write_layout
from glrtf.inference import extraction_plan, receipts
from glrtf.inference.embedders import load_embedder
from glrtf.inference.model_folders import INFO_NAME
from glrtf.planning import compiled
from glrtf.planning.accelerators import find_slice
from glrtf.retrieval.search import index_files
from glrtf.retrieval.stage_cache import StageCache
from glrtf.service.calibration import Calibration
from glrtf.training import checkpoints, strategy
from glrtf.tuning import ablation_table
from glrtf.tuning.ablation import Row, TimedCache
from tfrecords_tools import check, fold_plan
from tfrecords_tools.build_config import BuildConfig
from tfrecords_tools.errors import UserError
from tfrecords_tools.sample import draw
from tfrecords_tools.storage import files

ODD = (None, True, -1, 1.5, 10**30, "", "text", [], [None], [[]], {}, {"a": None})
_REMOVED = object()


def places(value, path=()):
    """The paths of all values below one."""
    if path:
        yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))


def altered(value):
    """Yields copies with one value replaced or removed."""
    yield from ODD
    for path in places(value):
        for odd in (*ODD, _REMOVED):
            changed = copy.deepcopy(value)
            holder = changed
            for key in path[:-1]:
                holder = holder[key]
            if odd is _REMOVED:
                del holder[path[-1]]
            else:
                holder[path[-1]] = odd
            yield changed


def embedding_set(folder):
    rows = np.eye(6, dtype=np.float32)
    ids = np.array([f"{row:016x}" for row in range(6)])
    worlds.write(folder, [rows[:4], rows[4:]], ids)
    path = str(folder / "embedding_set.json")
    info = files.read_json(path)
    info["meta"] |= {"model_digest": "m", "size": 8, "tta": ["plain"], "scales": [1.0]}
    files.write_json(path, info)

    def read():
        opened = EmbeddingSet.open(folder)
        for part in range(opened.num_parts):
            opened.read(part, 0, 2)

    return "embedding_set.json", read


def shards(folder):
    write_split(folder, [2, 1])

    def read():
        opened = open_shards(str(folder))
        opened.class_counts()
        assert opened.num_examples == 3

    return "dataset_info.json", read


def checked_shards(folder):
    write_split(folder, [1])
    return "dataset_info.json", lambda: check.check(check.CheckConfig(str(folder), workers=1))


def retrieval(folder):
    write_retrieval(folder)
    hashes = {n: files.sha256(str(folder / n)) for n in ("submission.csv", "evidence.npz")}
    info = {"files": hashes, "parameters": {"query": ["a"], "votes": [1.0]}, "seconds": {"a": 1.5}}
    files.write_json(str(folder / "retrieval.json"), info)
    return "retrieval.json", lambda: read_result(str(folder))


def receipt(folder):
    hashes = {f"{kind}_sha256": "ab" * 32 for kind in ("embeddings", "ids")}
    receipts.write(str(folder), 0, 1, "source", hashes)
    return "receipt-00000-of-00001.json", lambda: receipts.read(str(folder), 0, 1)


def stage(folder):
    def read():
        StageCache(str(folder)).arrays("s", {"k": 1}, 3, lambda: iter([(np.arange(3.0),)]))

    read()
    return next(folder.glob("*.json")).name, read


def stage_seconds(folder):
    folder.mkdir()
    files.write_json(str(folder / "seconds.json"), {"stage": 1.5})

    def read():
        sum(TimedCache(str(folder))._known.values())

    return "seconds.json", read


def embed_plan(folder):
    shard = ["test-00000-of-00001.tfrecord", 3, "ab" * 32]
    plan = {"size": 8, "tta": ["plain"], "scales": [1.0], "model": "m", "shards": [shard]}
    extraction_plan.keep_to(str(folder), plan)
    return "plan.json", lambda: extraction_plan.keep_to(str(folder), plan)


def export_info(folder):
    folder.mkdir()
    (folder / "weights").write_bytes(b"weights")
    hashes = {"weights": files.sha256(str(folder / "weights"))}
    info = {"size": 8, "dimension": 4, "model_digest": "0" * 64, "files": hashes}
    files.write_json(str(folder / INFO_NAME), info)
    return INFO_NAME, lambda: load_embedder(str(folder))


def checkpoint(folder):
    folder.mkdir()
    metrics = {"validation_map": 0.5}
    position = checkpoints.Position(1, 0.5, 3, 2, metrics)
    checkpoints.write(str(folder), {"a": np.zeros(2)}, position)

    def read():
        checkpoints.prune(str(folder), 1)
        found = checkpoints.find(str(folder), "best")
        f"{found.position.images:d} {found.position.epoch:.1f} {found.position.num_classes:d}"
        found.arrays()

    return "images-000000000002.json", read


def compiled_step(folder):
    tpu, key = find_slice("v5e-4"), compiled.cache_key({"size": 8})
    path = compiled._path(key, tpu, str(folder))
    memory = {"peak_memory_in_bytes": 5}
    found = {"memory": memory, "seconds": 1.5, "jax": "1", "libtpu": "2", "date": "2026-01-01"}
    files.write_json(path, found)

    def read():
        result = compiled.find_compiled(key, tpu, str(folder))
        if result.peak_bytes is not None:
            f"{result.peak_bytes / 2**30:.2f} {result.seconds:.1f} {result.date}"

    return path.rsplit("/")[-1], read


def ablation(folder):
    row = Row("all", True, {"All": 0.5, "Public": 0.5}, (0.4, 0.6), 0.1, (0.0, 0.2), 1.5)
    ablation_table.write_tables([row], str(folder))

    def read():
        rows = ablation_table.read_rows(str(folder))
        ablation_table.markdown(rows)
        ablation_table.csv_text(rows)
        ablation_table.chart(rows)

    return "ablation.json", read


def demo_scores(folder):
    folder.mkdir()
    scores = {"map@100": dict.fromkeys(demo.RANKINGS, 0.5), "chance": 0.1}
    files.write_json(str(folder / "scores.json"), scores)

    def read():
        demo.table(demo.read_result(str(folder), {"draw": 1.5}))

    return "scores.json", read


def demo_stages(folder):
    def read():
        stages = Stages(str(folder))
        stages.run("draw", [1], ["a"], lambda: files.write_bytes(str(folder / "a"), b""))
        stages.run("train", [1], ["b"], lambda: files.write_bytes(str(folder / "b"), b""))
        sum(stages.seconds.values())

    read()
    return "stages.json", read


def sample_note(folder):
    config = draw.SampleConfig(str(folder))
    files.write_json(str(folder / "sample.json"), draw._note(config))
    return "sample.json", lambda: draw._is_there(str(folder), draw._note(config))


def build_plan(folder):
    config = BuildConfig(source=str(folder), output=str(folder))
    fold_plan.begin(str(folder), config)
    return "plan.json", lambda: fold_plan.begin(str(folder), config)


def whitening_note(folder):
    """The note next to a whitening, read when it is used again."""
    query, index = str(folder / "query"), str(folder / "index")
    generator = np.random.default_rng(0)
    for name in (query, index):
        rows = generator.normal(size=(20, 4))
        rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        worlds.write(folder / name, [rows], np.array([f"{n:016x}" for n in range(20)]))
    config = WhitenConfig(
        train=[index], query=[query], index=[index], output=str(folder / "out"), dimension=2
    )

    def read():
        whiten.whiten(config)

    read()
    return f"out/{whiten._NOTE_FILE}", read


def ground_truth(folder):
    folder.mkdir()
    mark = {"easy": [0], "hard": [1], "junk": [], "bbx": [0.0, 0.0, 5.0, 5.0]}
    files.write_json(
        str(folder / "truth.json"), {"imlist": ["a", "b"], "qimlist": ["c"], "gnd": [mark]}
    )

    def read():
        path = str(folder / "truth.json")
        read_ground_truth(path)
        write_layout(path, str(folder), str(folder / "out"))

    return "truth.json", read


def annoy_index(folder):
    folder.mkdir()
    path = str(folder / "a.annoy")
    files.write_bytes(path, b"index")
    files.write_json(f"{path}.json", {"bytes": 5, "crc32c": files.crc32c(path)})
    return "a.annoy.json", lambda: index_files.refuse_damaged(path, "an Annoy index")


def calibration(folder):
    """Kept values that are odd are worked out again, so none is refused."""
    folder.mkdir()
    values = {"landmark": {"slope": 1.0, "shift": 0.5}, "photo": None, "source": "s"}
    path = folder / "calibration.json"
    files.write_json(str(path), values)

    def read():
        found = Calibration.from_json(files.read_json(str(path)))
        if found:
            found.of_landmark(0.5)
            found.as_line()

    return "calibration.json", read


def verified(folder):
    """The record of verified files; where it is odd, files are compared again."""
    name, read_set = embedding_set(folder)
    parts = [folder / f"{kind}-00000-of-00002.npy" for kind in ("embeddings", "ids")]
    wanted = {str(path): files.sha256(str(path)) for path in parts}
    path = folder / "verified.json"
    identities = {path.name: [*digests._identity(str(path)), wanted[str(path)]] for path in parts}
    files.write_json(str(path), {"files": identities})

    def read():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(digests, "_record_path", lambda folder: str(path))
            patch.setattr(digests, "remember", lambda *arguments: None)
            digests.compare(str(folder), wanted)
        # Rows are checked all the same.
        read_set()

    assert name
    return "verified.json", read


def keras_settings(folder):
    folder.mkdir()
    values = {"floatx": "float32", "epsilon": 1e-7, "backend": "tensorflow"}
    values["image_data_format"] = "channels_last"
    (folder / "keras.json").write_text(json.dumps(values))

    def read():
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("KERAS_HOME", str(folder))
            keras_file.require_sound()

    return "keras.json", read


def tpu_cluster(folder):
    """TF_CONFIG, which is JSON in the environment."""
    folder.mkdir()
    cluster = {"worker": ["localhost:1", "localhost:2"]}
    values = {"cluster": cluster, "task": {"type": "worker", "index": 0}}
    (folder / "cluster.json").write_text(json.dumps(values))

    def read():
        if problem := strategy._cluster_problem((folder / "cluster.json").read_text()):
            raise UserError(problem)

    return "cluster.json", read


_KINDS = [
    embedding_set,
    shards,
    checked_shards,
    retrieval,
    receipt,
    stage,
    stage_seconds,
    embed_plan,
    export_info,
    checkpoint,
    compiled_step,
    ablation,
    demo_scores,
    demo_stages,
    sample_note,
    build_plan,
    whitening_note,
    ground_truth,
    annoy_index,
    calibration,
    verified,
    keras_settings,
    tpu_cluster,
]
_REFUSES_NONE = {"stage", "calibration", "stage_seconds", "verified"}


def outcomes(make, folder):
    """Yields for each altered value what came of it: read, refused, or the exception."""
    name, read = make(folder)
    path = folder / name
    value = files.read_json(str(path))
    for changed in altered(value):
        # Sealed, as if a program had written it: only the values are odd.
        files.write_json(str(path), changed)
        try:
            read()
        except UserError as error:
            yield changed, error if "\n" in str(error) else "refused"
        except Exception as error:
            yield changed, error
        else:
            yield changed, "read"


@pytest.mark.parametrize("make", _KINDS, ids=lambda make: make.__name__)
def test_odd_values_are_read_or_refused_in_one_line(tmp_path, make):
    found = []
    for changed, outcome in outcomes(make, tmp_path / "folder"):
        assert outcome in ("read", "refused"), f"{json.dumps(changed)}: {outcome!r}"
        found.append(outcome)
    assert "refused" in found or make.__name__ in _REFUSES_NONE


def main():
    """Prints how many altered values of each kind of file were read, refused or neither."""
    print("| file | altered values | read | refused | traceback |\n|---|---|---|---|---|")
    total = collections.Counter()
    for make in _KINDS:
        with tempfile.TemporaryDirectory() as folder:
            results = [outcome for _, outcome in outcomes(make, Path(folder) / "folder")]
        counts = collections.Counter(one if isinstance(one, str) else "other" for one in results)
        total += counts
        columns = (len(results), counts["read"], counts["refused"], counts["other"])
        print(f"| {make.__name__} | {' | '.join(map(str, columns))} |", flush=True)
    columns = (total.total(), total["read"], total["refused"], total["other"])
    print(f"| all | {' | '.join(map(str, columns))} |")


if __name__ == "__main__":
    main()
