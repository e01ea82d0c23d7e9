import pytest
import retrieval_files as rf

from glrtf.photos import landmark_tables
from tfrecords_tools.errors import UserError


def test_photos_of_landmarks(source):
    path = landmark_tables.find_train_csv(str(source))
    assert path == str(source / "metadata" / "train.csv")
    assert landmark_tables.photos_of_landmarks(path, {7, 9}) == {7: rf.TRAIN[:2]}
    assert landmark_tables.photos_of_landmarks(path, {8}) == {8: rf.TRAIN[2:]}


def test_clean_csv(tmp_path):
    path = tmp_path / "train_clean.csv"
    path.write_text("landmark_id,images\n7,a b c\n8,d\n")
    assert landmark_tables.find_train_csv(str(tmp_path)) == str(path)
    assert landmark_tables.photos_of_landmarks(str(path), {7}) == {7: ["a", "b", "c"]}


def test_names(source, tmp_path):
    assert landmark_tables.landmark_names(str(source), {7, 8}) == {7: "Arc de Triomphe"}
    assert landmark_tables.landmark_names(str(tmp_path / "retrieval"), {7}) == {}
    assert landmark_tables.category_name("http://x/Category:Ch%C3%A2teau_de_If") == "Château de If"


def test_named_csv_must_exist(source):
    with pytest.raises(UserError, match="no such file"):
        landmark_tables.require_train_csv("none.csv", str(source))
