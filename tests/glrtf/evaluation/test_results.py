import numpy as np
import pytest
import retrieval_files as rf
from damage import assert_refused

from glrtf.evaluation import results
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files


def test_folder(retrieval):
    result = results.read_result(str(retrieval))
    assert result.rankings == dict(zip(rf.QUERY_IDS, rf.RANKINGS, strict=True))
    assert result.info["preset"] == "fifth_place"
    row = result.evidence.rows[rf.QUERY_IDS[0]]
    assert result.evidence.landmark_id[row, 2] == 7
    assert result.evidence.final[row, 2] == pytest.approx(0.125)


def test_bare_submission_has_no_evidence(retrieval):
    result = results.read_result(str(retrieval / "submission.csv"))
    assert result.evidence is None
    assert result.rankings[rf.QUERY_IDS[2]] == [rf.D]


def test_what_is_missing_or_damaged_is_reported(retrieval):
    path = retrieval / "evidence.npz"
    whole = path.read_bytes()
    path.write_bytes(whole[:200])
    with pytest.raises(UserError, match="evidence of a retrieval"):
        results.read_result(str(retrieval))
    path.unlink()
    with pytest.raises(UserError, match=r"evidence\.npz: no such file"):
        results.read_result(str(retrieval))
    with pytest.raises(UserError, match="expected what glrtf"):
        results.read_result(str(retrieval / "none"))


def test_arrays_must_fit_each_other(retrieval):
    path = retrieval / "evidence.npz"
    with np.load(path) as archive:
        arrays = dict(archive)
    np.savez(path, **(arrays | {"direct": arrays["direct"][:, :5]}))
    with pytest.raises(UserError, match=r"expected direct of the shape \(4, 100\)"):
        results.read_result(str(retrieval))
    del arrays["bridged"]
    np.savez(path, **arrays)
    with pytest.raises(UserError, match="bridged"):
        results.read_result(str(retrieval))


def test_evidence_of_another_submission(retrieval):
    (retrieval / "submission.csv").write_text(f"id,images\n{rf.QUERY_IDS[0]},{rf.X}\n")
    with pytest.raises(UserError, match="ranks other images than submission"):
        results.read_result(str(retrieval))


def test_empty_submission(retrieval):
    (retrieval / "submission.csv").write_text("id,images\n")
    with pytest.raises(UserError, match="expected queries, found none"):
        results.read_result(str(retrieval))


def same(first, second):
    """Whether two results are equal in all that was read."""
    arrays = ("index_ids", "final", "direct", "bridged", "landmark_id")
    return first.rankings == second.rankings and all(
        np.array_equal(getattr(first.evidence, name), getattr(second.evidence, name))
        for name in arrays
    )


@pytest.mark.parametrize("name", ["submission.csv", "evidence.npz"])
def test_every_damage_is_refused_by_name(retrieval, name):
    digests = {name: files.sha256(str(retrieval / name))}
    files.write_json(str(retrieval / "retrieval.json"), {"files": digests})
    folder = str(retrieval)
    assert assert_refused(retrieval / name, lambda: results.read_result(folder), same) == 100


def test_a_changed_submission_is_read_by_its_own_name_only(retrieval):
    path = retrieval / "submission.csv"
    digests = {path.name: files.sha256(str(path))}
    files.write_json(str(retrieval / "retrieval.json"), {"files": digests})
    path.write_text(f"id,images\n{rf.QUERY_IDS[0]},{rf.X}\n")
    with pytest.raises(UserError, match=r"submission\.csv: changed since glrtf retrieve wrote it"):
        results.read_result(str(retrieval))
    assert results.read_result(str(path)).rankings == {rf.QUERY_IDS[0]: [rf.X]}
