import numpy as np
import pytest

from glrtf.embeddings.embedding_set import finish, part_file, write_part
from glrtf.embeddings.joined_rows import join
from glrtf.embeddings.rows import ArrayRows, normalized
from tfrecords_tools.errors import UserError


def world(folder, order, lengths, dimension, seed, dtype=np.float32):
    """A set over images 0..n-1 in the given order, cut into parts of those lengths."""
    rows = normalized(np.random.default_rng(seed).normal(size=(len(order), dimension)))
    rows = rows.astype(dtype)
    ids = np.array([f"{number:016x}" for number in order], "S16")
    ends = np.cumsum([0, *lengths])
    for part in range(len(lengths)):
        cut = slice(ends[part], ends[part + 1])
        write_part(str(folder), part, len(lengths), rows[cut], ids[cut])
    by_image = dict(zip(order, rows.astype(np.float64), strict=True))
    return finish(str(folder), len(lengths), model=str(seed)), by_image


def test_sets_of_other_order_and_cut_join_by_id(tmp_path):
    one, rows_one = world(tmp_path / "1", [3, 1, 4, 0, 2], (2, 3), 4, seed=1)
    two, rows_two = world(tmp_path / "2", [0, 1, 2, 3, 4], (1, 4, 0), 6, seed=2, dtype=np.float16)
    joined = join([one, two], votes=[1.0, 0.5])
    assert (joined.part_lengths, joined.dimension) == ((2, 3), 10)
    wide = {image: np.concatenate([rows_one[image], 0.5 * rows_two[image]]) for image in rows_one}
    expected = np.stack([wide[image] / np.linalg.norm(wide[image]) for image in [4, 0, 2]])
    np.testing.assert_allclose(joined.gather(1, np.arange(3)), expected, atol=1e-15)
    np.testing.assert_allclose(joined.gather(1, np.array([2, 0])), expected[[2, 0]], atol=1e-15)
    error = np.linalg.norm(joined.read(1, 1, 3) - expected[1:], axis=1)
    assert (error <= joined.rounding).all() and joined.read(1, 1, 3).dtype == np.float32
    np.testing.assert_array_equal(joined.ids, one.ids)


def test_one_set_alone_is_normalised_again(tmp_path):
    one, rows = world(tmp_path / "1", [0, 1], (2,), 64, seed=1, dtype=np.float16)
    lengths = np.linalg.norm(join([one]).gather(0, np.arange(2)), axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-15)
    assert abs(np.linalg.norm(rows[0]) - 1) > 1e-6


def test_the_digest_follows_sets_order_and_votes(tmp_path):
    one, _ = world(tmp_path / "1", [0, 1], (2,), 4, seed=1)
    two, _ = world(tmp_path / "2", [0, 1], (2,), 4, seed=2)
    joins = [join([one]), join([one, two]), join([two, one]), join([one, two], [1, 2])]
    assert len({joined.digest for joined in joins}) == 4
    assert join([one, two], [1, 1]).digest == join([one, two]).digest


def test_missing_and_extra_ids_are_named(tmp_path):
    one, _ = world(tmp_path / "1", [0, 1, 2], (3,), 4, seed=1)
    two, _ = world(tmp_path / "2", [2, 1, 7, 8], (4,), 4, seed=2)
    with pytest.raises(UserError) as refusal:
        join([one, two])
    assert f"1 ids ({0:016x}) missing and 2 ids ({7:016x}, {8:016x}) extra" in str(refusal.value)
    assert str(refusal.value).startswith(two.folder)


@pytest.mark.parametrize("votes", [[1.0], [1.0, 0.0], [1.0, float("nan")], [1.0, 2.0, 3.0]])
def test_votes_that_do_not_fit_are_refused(tmp_path, votes):
    one, _ = world(tmp_path / "1", [0, 1], (2,), 4, seed=1)
    with pytest.raises(UserError, match="--votes"):
        join([one, one], votes)


def test_bad_rows_are_named_by_their_own_set(tmp_path):
    one, _ = world(tmp_path / "1", [0, 1, 2], (3,), 4, seed=1)
    two, _ = world(tmp_path / "2", [2, 0, 1], (3,), 4, seed=2)
    stored = np.array(two.part(0)[0])
    stored[2] = np.nan
    np.save(tmp_path / "2" / part_file("embeddings", 0, 1), stored)
    with pytest.raises(UserError, match=rf"/2: row 2 .image {1:016x}"):
        join([one, two]).read(0, 0, 3)


def test_arrays_are_rows_of_one_part():
    rows = normalized(np.random.default_rng(0).normal(size=(4, 3)))
    source = ArrayRows(rows)
    assert (source.part_lengths, source.dimension, source.name) == ((4,), 3, "rows")
    np.testing.assert_array_equal(source.gather(0, np.array([2])), rows[[2]])
    error = np.linalg.norm(source.read(0, 0, 4) - rows, axis=1)
    assert (error <= source.rounding).all()
    assert ArrayRows(rows.astype(np.float32)).rounding == 0
    assert source.digest == ArrayRows(rows.copy()).digest != ArrayRows(rows[::-1]).digest
    with pytest.raises(UserError, match=r"queries: row 1 .*length 0"):
        ArrayRows(rows * [[1], [0], [1], [1]], name="queries")
    with pytest.raises(ValueError, match="expected"):
        ArrayRows(np.ones(3))
