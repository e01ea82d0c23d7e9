import numpy as np
import retrieval_files as rf

from glrtf.embeddings.rows import ArrayRows
from glrtf.embeddings.rows_by_id import RowsById
from glrtf.reporting import bridge_photos
from glrtf.reporting.gallery import QueryView, RankedImage


def at_angles(ids, degrees):
    turns = np.deg2rad(degrees)
    rows = np.stack([np.cos(turns), np.sin(turns)], axis=1)
    return RowsById(ArrayRows(rows, "drawn", np.array(ids, "S16")))


def test_ends_of_bridges():
    images = (
        RankedImage("a", "right", 1.0, 1.0, 0.0, None),
        RankedImage("b", "right", 1.0, 0.0, 1.0, 7),
    )
    view = QueryView("q", "Public", 1.0, 1.0, 1, 2, 2, images, ())
    assert bridge_photos.bridges_of([view]) == ({("q", 7)}, {("b", 7)})


def test_the_most_similar_come_first():
    train = at_angles(["t0", "t1", "t2", "t3"], [0, 40, 80, 10])
    images = at_angles(["q", "r"], [35, 90])
    landmarks = {7: ["t0", "t1", "t2", "gone"], 8: ["t3"]}
    pairs = {("q", 7), ("r", 7), ("q", 8), ("q", 9), ("unknown", 7)}
    nearest = bridge_photos.nearest_train_photos(pairs, images, train, landmarks, most=2)
    # q at 35 degrees lies 5 from t1 and 35 from t0; r at 90 lies 10 from t2, 50 from t1.
    assert nearest == {("q", 7): ["t1", "t0"], ("r", 7): ["t2", "t1"], ("q", 8): ["t3"]}


def test_nothing_at_hand():
    rows = at_angles(["q"], [0])
    assert bridge_photos.nearest_train_photos({("q", 7)}, rows, rows, {}) == {}
    assert rf.QUERY_IDS[0] not in rows.known([rf.QUERY_IDS[0]])
