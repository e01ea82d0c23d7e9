from tfrecords_tools.sample.plan import SamplePlan, plan_sample


def _plan(seed: int = 0) -> SamplePlan:
    return plan_sample(seed, num_landmarks=48, photos_per_landmark=26)


def test_a_plan_follows_from_its_seed() -> None:
    assert _plan(3) == _plan(3)
    assert {p.image_id for p in _plan(3).photos}.isdisjoint(p.image_id for p in _plan(4).photos)


def test_ids_are_sixteen_hex_digits_and_unique() -> None:
    ids = [photo.image_id for photo in _plan().photos]
    assert len(set(ids)) == len(ids)
    assert all(len(i) == 16 and set(i) <= set("0123456789abcdef") for i in ids)


def test_landmark_ids_are_sparse_and_the_index_has_another_space() -> None:
    landmarks = _plan().landmarks
    ids = [one.landmark_id for one in landmarks]
    assert len(set(ids)) == 48
    assert max(ids) > 100 * len(ids)
    assert all(one.landmark_id != one.index_landmark_id for one in landmarks)


def test_every_landmark_shows_both_faces_in_train_and_index() -> None:
    plan = _plan()
    for landmark in plan.landmarks:
        views = {
            split: {p.view for p in plan.of_landmark(landmark.number) if p.split == split}
            for split in ("train", "index", "test")
        }
        assert {"outside", "inside", "both"} <= views["train"]
        assert views["index"] == {"outside", "inside"}
        assert "outside" in views["test"]


def test_index_and_test_hold_photos_without_a_landmark_and_train_only_wrong_entries() -> None:
    plan = _plan()
    without = [p for p in plan.photos if p.landmark < 0]
    assert {p.split for p in without} == {"index", "test"}
    assert all(p.view == "none" for p in without)
    wrong = [p for p in plan.photos if p.landmark >= 0 and p.view == "none"]
    assert wrong and {p.split for p in wrong} == {"train"}


def test_every_tenth_landmark_is_rare() -> None:
    plan = _plan()
    for landmark in plan.landmarks:
        train = [p for p in plan.of_landmark(landmark.number) if p.split == "train"]
        assert landmark.clean == (landmark.number % 10 != 9)
        assert (len(train) == 3) if not landmark.clean else (len(train) >= 9)
