import numpy as np

from glrtf.embeddings.concatenated_rows import ConcatenatedRows
from glrtf.embeddings.rows import ArrayRows, normalized
from glrtf.embeddings.subset_rows import SubsetRows
from glrtf.retrieval.search import exact


def source():
    generator = np.random.default_rng(0)
    parts = [normalized(generator.normal(size=(count, 4))) for count in (3, 5)]
    ids = [[f"{n}{row}" for row in range(len(part))] for n, part in enumerate(parts)]
    return ConcatenatedRows([ArrayRows(p, "p", i) for p, i in zip(parts, ids, strict=True)])


def test_rows_ids_and_digest_follow_the_choice():
    rows = source()
    chosen = SubsetRows(rows, np.array([6, 0, 2]))
    assert chosen.ids.tolist() == [b"13", b"00", b"02"]
    np.testing.assert_array_equal(
        chosen.gather(0, np.array([1, 0])),
        [rows.gather(0, np.array([0]))[0], rows.gather(1, np.array([3]))[0]],
    )
    read = chosen.read(0, 0, 3)
    assert read.dtype == np.float32
    error = np.linalg.norm(read - chosen.gather(0, np.arange(3)), axis=1)
    assert (error <= chosen.rounding).all()
    assert chosen.digest != SubsetRows(rows, np.array([0, 6, 2])).digest
    assert chosen.digest == SubsetRows(rows, np.array([6, 0, 2])).digest


def test_searching_for_some_finds_what_searching_for_all_does():
    rows = source()
    everyone = exact.search(rows, rows, 4)
    subset = exact.search(SubsetRows(rows, np.array([7, 1])), rows, 4)
    np.testing.assert_array_equal(subset.indices, everyone.indices[[7, 1]])
    np.testing.assert_array_equal(subset.scores, everyone.scores[[7, 1]])
