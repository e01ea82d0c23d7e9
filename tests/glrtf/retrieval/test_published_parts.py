"""Train rows in 20 parts by image id: the same ranking from any number of shards."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
import retrieval_worlds as worlds

from glrtf.commands import retrieve
from glrtf.embeddings.embedding_set import EmbeddingSet, finish, part_file
from glrtf.embeddings.joined_rows import join
from glrtf.embeddings.rows import ArrayRows, gather_rows, normalized
from glrtf.retrieval.published_parts import PublishedParts
from glrtf.retrieval.search import exact
from tfrecords_tools import sharding
from tfrecords_tools.errors import UserError

ROWS = 730


def train_set(folder, num_shards, dimension=8):
    """A set as the builder would shard its images: dealt out and ordered by hashes."""
    rng = np.random.default_rng(5)
    numbers = rng.integers(1 << 60, size=ROWS, dtype=np.uint64)
    rows = normalized(rng.normal(size=(ROWS, dimension))).astype(np.float32)
    rows[100:140] = rows[100]  # equal photos tie
    nothing = np.zeros(ROWS, np.int32)
    images = sharding.Images(
        numbers, np.arange(ROWS, dtype=np.int32), nothing, numbers, nothing, nothing
    )
    plan = sharding.plan_shards(images, num_shards)
    ids = np.array([f"{number:016x}" for number in plan.images.ids.tolist()], "S16")
    parts = np.split(rows[plan.images.labels], plan.starts[1:-1])
    return worlds.write(folder, parts, ids)


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets")
    return {count: train_set(folder / str(count), count) for count in (1, 20, 500)}


def test_rows_are_by_id_in_20_parts(sets):
    opened = sets[20]
    parts = PublishedParts(opened)
    # 730 = 20 · 36 + 10
    assert parts.part_lengths == 10 * (37,) + 10 * (36,)
    order = np.argsort(opened.ids)
    np.testing.assert_array_equal(parts.ids, opened.ids[order])
    rows = np.concatenate([opened.part(part)[0] for part in range(20)])[order]
    read = np.concatenate([parts.read(part, 0, 99) for part in range(20)])
    np.testing.assert_array_equal(read, rows)
    np.testing.assert_array_equal(parts.read(3, 5, 9), rows[3 * 37 + 5 : 3 * 37 + 9])
    np.testing.assert_array_equal(parts.gather(19, np.array([35, 0])), rows[[729, 694]])
    assert parts.rounding == 0


@pytest.mark.parametrize("joined", [False, True])
def test_any_number_of_shards_gives_the_same_neighbours(sets, joined):
    queries = normalized(np.random.default_rng(1).normal(size=(9, 8))).astype(np.float32)
    queries[0] = gather_rows(sets[1], np.array([0]))[0]
    found = []
    for opened in sets.values():
        parts = PublishedParts(join([opened]) if joined else opened)
        near = exact.search(ArrayRows(queries), parts, 0, per_part=15)
        assert near.indices.shape == (9, 300)
        found.append((parts.ids[near.indices], near.scores))
    for ids, scores in found[1:]:
        np.testing.assert_array_equal(ids, found[0][0])
        np.testing.assert_array_equal(scores, found[0][1])


def test_joined_models_cut_otherwise_are_matched_by_id(sets, tmp_path):
    one = PublishedParts(join([sets[1], sets[20]], [1, 2]))
    other = PublishedParts(join([sets[500], sets[1]], [1, 2]))
    for part in (0, 7, 19):
        read = one.read(part, 0, 40)
        np.testing.assert_array_equal(read, other.read(part, 0, 40))
        exactly = one.gather(part, np.arange(len(read)))
        assert np.linalg.norm(read - exactly, axis=1).max() <= one.rounding
        np.testing.assert_array_equal(exactly, other.gather(part, np.arange(len(read))))


def test_fewer_rows_than_parts(tmp_path):
    opened = worlds.write(tmp_path, [np.eye(3, dtype=np.float32)], np.array(["c", "a", "b"]))
    parts = PublishedParts(opened)
    assert parts.part_lengths == (1, 1, 1, *17 * (0,))
    near = exact.search(ArrayRows(np.eye(3, dtype=np.float32)[:1]), parts, 0, per_part=15)
    assert near.indices[0, :4].tolist() == [2, 0, 1, -1]


def test_a_worker_gets_neither_order_nor_ids(sets):
    parts = PublishedParts(sets[500])
    first = parts.read(0, 0, 5)
    sent = pickle.dumps(parts)
    # 730 ids and as many places would be 17,520 bytes.
    assert len(sent) < len(pickle.dumps(sets[500])) + 2_000
    np.testing.assert_array_equal(pickle.loads(sent).read(0, 0, 5), first)


def test_a_bad_row_is_named(tmp_path):
    train_set(tmp_path, 3)
    path = tmp_path / part_file("embeddings", 1, 3)
    rows = np.load(path)
    rows[2] *= 1.5
    np.save(path, rows)
    finish(str(tmp_path), 3)
    opened = EmbeddingSet.open(tmp_path)
    image = opened.part(1)[1][2].decode()
    parts = PublishedParts(opened)
    with pytest.raises(UserError, match=f"image {image}.: expected a vector of length 1"):
        for part in range(20):
            parts.read(part, 0, 99)


@pytest.mark.parametrize("more", [[], ["--train_neighbors.per_part=0"]])
def test_the_command_ranks_alike_from_any_number_of_shards(tmp_path, sets, more):
    world = worlds.make_world(tmp_path, test=12, index=80, train=10, dimension=8)
    lines = [f"{one.decode()},u,{int(one[:2], 16)}" for one in sets[1].ids]
    (tmp_path / "landmarks.csv").write_text("\n".join(["id,url,landmark_id", *lines]))
    found = set()
    for count, opened in sets.items():
        given = ["--train", opened.folder, "--landmarks", tmp_path / "landmarks.csv"]
        out = tmp_path / str(count)
        assert retrieve.main([*world.arguments("--output", out), *map(str, [*given, *more])]) == 0
        found.add((out / "submission.csv").read_bytes())
    assert len(found) == 1


_READ_ALL = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, tuple(map(int, sys.argv[2:])))
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.retrieval.published_parts import PublishedParts
from tfrecords_tools.errors import UserError
try:
    parts = PublishedParts(EmbeddingSet.open(sys.argv[1]))
    print(sum(len(parts.read(part, 0, 99)) for part in range(20)))
except UserError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("limits", "shown"), [((200, 2000), f"{ROWS}\n"), ((200, 200), "found the system's limit")]
)
def test_more_parts_than_files_may_be_open(sets, limits, shown):
    command = [sys.executable, "-c", _READ_ALL, sets[500].folder, *map(str, limits)]
    output = subprocess.run(command, capture_output=True, text=True, check=True)
    assert shown in output.stdout and output.stdout.count("\n") == 1
