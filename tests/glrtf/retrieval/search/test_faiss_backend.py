"""faiss's candidates against the exact search."""

import sys

import numpy as np
import pytest

from glrtf.config.search import SearchConfig
from glrtf.embeddings import versions
from glrtf.embeddings.concatenated_rows import ConcatenatedRows
from glrtf.embeddings.embedding_set import EmbeddingSet, finish, write_part
from glrtf.embeddings.rows import ArrayRows, normalized
from glrtf.retrieval.search import backends, exact, faiss_files
from glrtf.retrieval.search.neighbors import stacked
from tfrecords_tools.errors import UserError

faiss = pytest.importorskip("faiss")

CENTRES = normalized(np.random.default_rng(0).normal(size=(12, 16)))
KINDS = [("ivf", "sq8"), ("ivf", "pq4"), ("hnsw", "float32"), ("hnsw", "sq8"), ("flat", "fp16")]


@pytest.fixture(autouse=True)
def small_indexes(monkeypatch):
    """Also a few hundred rows get an index."""
    monkeypatch.setattr(faiss_files, "_LEAST_ROWS", 64)


def rows_around(count, seed):
    rng = np.random.default_rng(seed)
    rows = CENTRES[rng.integers(len(CENTRES), size=count)] + 0.15 * rng.normal(size=(count, 16))
    return normalized(rows).astype(np.float32)


def in_parts(rows, *lengths):
    return ConcatenatedRows([ArrayRows(cut) for cut in np.split(rows, np.cumsum(lengths)[:-1])])


def find(queries, database, folder, k=10, per_part=0, **settings):
    config = SearchConfig(backend="faiss", **settings)
    blocks = backends.search_blocks(queries, database, k, per_part, config, str(folder), "test")
    return stacked(list(blocks))


def recall(found, expected):
    pairs = zip(found.indices, expected.indices, strict=True)
    return np.mean([np.isin(right[right >= 0], left).mean() for left, right in pairs])


def expect_true_scores(found, queries, database):
    """What is found has the exact search's scores and is in its order."""
    everything = exact.search(queries, database, len(database.ids))
    for row, (indices, scores) in enumerate(zip(found.indices, found.scores, strict=True)):
        known = np.isin(everything.indices[row], indices)
        np.testing.assert_array_equal(indices, everything.indices[row][known])
        np.testing.assert_array_equal(scores, everything.scores[row][known])


QUERIES = ArrayRows(rows_around(20, 1))


@pytest.mark.parametrize(("kind", "code"), KINDS)
def test_it_finds_most_and_scores_what_it_finds_exactly(tmp_path, capsys, kind, code):
    rows = rows_around(500, 2)
    rows[100:104] = rows[7]  # Ties, which the row decides.
    queries = ArrayRows(np.concatenate([rows_around(20, 1), rows[7:8]]))
    database = in_parts(rows, 300, 0, 200)
    settings = {"faiss_kind": kind, "faiss_code": code, "faiss_links": 8}
    found = find(queries, database, tmp_path, **settings)
    assert recall(found, exact.search(queries, database, 10)) > 0.93
    expect_true_scores(found, queries, database)
    assert found.indices[-1, :5].tolist() == [7, 100, 101, 102, 103]
    [line] = [one for one in capsys.readouterr().err.splitlines() if "recall" in one]
    assert line.startswith("faiss: 500 rows, ") and "recall@10 " in line
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    again = find(queries, database, tmp_path, **settings)
    np.testing.assert_array_equal(again.indices, found.indices)
    assert before == {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert "recall" not in capsys.readouterr().err


def test_some_of_each_part_while_the_whole_has_an_index_too(tmp_path):
    database = in_parts(rows_around(640, 3), 300, 40, 0, 300)
    whole = find(QUERIES, database, tmp_path)
    found = find(QUERIES, database, tmp_path, per_part=4)
    expected = exact.search(QUERIES, database, 0, 4)
    assert found.indices.shape == (20, 16)
    assert recall(found, expected) > 0.93
    # The part of 40 rows is searched exactly, the empty one gives nothing.
    of_part = [set(row[(row >= 300) & (row < 340)]) for row in found.indices]
    assert of_part == [set(row[(row >= 300) & (row < 340)]) for row in expected.indices]
    assert len(list(tmp_path.glob("*.faiss"))) == 3
    np.testing.assert_array_equal(find(QUERIES, database, tmp_path).indices, whole.indices)


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_threads_do_not_show(tmp_path, kind):
    found = []
    for threads in (1, 2):
        faiss.omp_set_num_threads(threads)
        folder = tmp_path / str(threads)
        found.append(find(QUERIES, ArrayRows(rows_around(400, 4)), folder, faiss_kind=kind))
        assert faiss.omp_get_max_threads() == threads
    np.testing.assert_array_equal(found[0].indices, found[1].indices)
    [one], [two] = (list((tmp_path / name).glob("*.faiss")) for name in "12")
    assert one.read_bytes() == two.read_bytes()


def test_a_higher_recall_takes_more_effort_and_a_fixed_one_is_kept(tmp_path):
    database = ArrayRows(rows_around(600, 5))
    opened = {
        name: faiss_files.open_index(
            database, range(600), SearchConfig(faiss_kind="ivf", **settings), str(tmp_path), 10
        )
        for name, settings in {
            "low": {"faiss_recall": 0.5},
            "high": {"faiss_recall": 0.99},
            "fixed": {"faiss_effort": 3},
        }.items()
    }
    assert opened["low"].effort < opened["high"].effort and opened["fixed"].effort == 3
    assert opened["low"].recall >= 0.5 and opened["high"].recall >= 0.99


def test_an_index_looks_harder_for_more_neighbours_and_among_fewer_rows(tmp_path, capsys):
    """As in a ranking: the nearest two of test and index photos, then many of the index photos."""
    rows = np.random.default_rng(5).normal(size=(600, 16))
    rows = normalized(rows).astype(np.float32)
    opened = write_set(tmp_path / "set", rows, 0)
    cache = tmp_path / "cache"
    find(QUERIES, opened, cache, k=2)
    capsys.readouterr()
    for k in (100, 40):
        many = find(QUERIES, opened, cache, k=k)
        assert recall(many, exact.search(QUERIES, opened, k)) > 0.93
    # The effort for 100 serves for 40, too: it was chosen once.
    assert capsys.readouterr().err.count("recall@") == 1
    left = versions.remove(opened.folder, opened.ids[350:]).set
    find(QUERIES, left, cache, k=100)
    assert "faiss: 350 rows, " in capsys.readouterr().err
    assert len(list(cache.glob("*.faiss"))) == 1
    assert recall(find(QUERIES, left, cache, k=100), exact.search(QUERIES, left, 100)) > 0.93
    # The same in one process.
    database = backends.open_backend(opened, SearchConfig(backend="faiss"), str(tmp_path / "new"))
    list(database(QUERIES, 2, 0))
    many = stacked(list(database(QUERIES, 100, 0)))
    assert recall(many, exact.search(QUERIES, opened, 100)) > 0.93


def write_set(folder, rows, first):
    ids = np.array([f"{first + row:016x}" for row in range(len(rows))], "S16")
    write_part(str(folder), 0, 1, rows, ids)
    return finish(str(folder), 1, model="m")


@pytest.mark.parametrize(
    ("kind", "code"), [("ivf", "sq8"), ("ivf", "pq4"), ("hnsw", "float32"), ("flat", "float32")]
)
def test_an_index_follows_its_set(tmp_path, kind, code):
    rows = rows_around(420, 6)
    opened = write_set(tmp_path / "set", rows[:300], 0)
    cache = tmp_path / "cache"

    def look(opened):
        found = find(QUERIES, opened, cache, faiss_kind=kind, faiss_code=code)
        assert recall(found, exact.search(QUERIES, opened, 10)) > 0.93
        expect_true_scores(found, QUERIES, opened)
        path = max(cache.glob("*.faiss"), key=lambda path: path.stat().st_mtime_ns)
        return path, path.stat().st_mtime_ns, faiss.read_index(str(path)).ntotal

    first = look(opened)
    assert first[2] == 300
    # A few new rows are searched exactly, removed ones are masked: the file stays.
    gone = exact.search(QUERIES, opened, 1).indices[:, 0]
    versions.remove(opened.folder, opened.ids[gone])
    added = versions.add(opened.folder, write_set(tmp_path / "few", rows[300:310], 300)).set
    assert look(added) == first
    # Many are added to it.
    added = versions.add(opened.folder, write_set(tmp_path / "many", rows[310:], 310)).set
    path, _, total = look(added)
    assert total == 420 and list(cache.glob("*.faiss")) == [path]
    # When most of its rows are gone, it is built again.
    left = versions.remove(opened.folder, added.ids[:250]).set
    newest, _, total = look(left)
    assert total == left.num_rows and newest != path


def test_a_changed_index_is_refused(tmp_path):
    database = ArrayRows(rows_around(100, 7))
    find(QUERIES, database, tmp_path)
    [path] = tmp_path.glob("*.faiss")
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(UserError, match="expected a faiss index as it was written"):
        find(QUERIES, database, tmp_path)


def test_fewer_rows_than_neighbours(tmp_path):
    database = ArrayRows(rows_around(70, 8))
    found = find(QUERIES, database, tmp_path, k=100, faiss_recall=1.0)
    expected = exact.search(QUERIES, database, 100)
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_array_equal(found.scores, expected.scores)


def test_faiss_that_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(UserError, match=r"needs faiss-cpu, which is not installed.*\.\[faiss\]"):
        find(QUERIES, ArrayRows(rows_around(100, 9)), tmp_path)


@pytest.mark.parametrize(
    "settings",
    [
        {"faiss_links": 1},
        {"faiss_recall": 0.0},
        {"faiss_rescored": 0.5},
        {"faiss_effort": -1},
        {"faiss_kind": "flat", "faiss_code": "pq4"},
        {"faiss_lists": -1},
    ],
)
def test_impossible_settings_are_refused(settings):
    name = next(iter(settings))
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        SearchConfig(backend="faiss", **settings)


def test_sets_on_disk_are_not_read_into_memory(tmp_path):
    from glrtf.retrieval.search.opened import OpenedDatabase

    opened = write_set(tmp_path / "set", rows_around(100, 2), 0)
    database = OpenedDatabase(opened, SearchConfig(backend="faiss"), str(tmp_path / "cache"))
    assert isinstance(database._database, EmbeddingSet)
    found = database.nearest(QUERIES, 5)
    assert recall(found, exact.search(QUERIES, opened, 5)) > 0.9
