import pytest

from glrtf.training.plan import plan_run, updates_in_flight


def test_stages_follow_each_other_without_gaps():
    # 100 images, 8 an update: 12.5 updates an epoch; 2 epochs end at 25, 3 at 37.5 → 38.
    plan = plan_run(100, 8, [(512, 2), (640, 1)])
    assert [(s.size, s.first, s.end) for s in plan.stages] == [(512, 0, 25), (640, 25, 38)]
    assert plan.total_updates == 38


def test_epochs_end_with_the_update_that_holds_their_last_image():
    # Epochs end after 12.5 and 25 updates: so with updates 13 and 25; the run ends with 38.
    plan = plan_run(100, 8, [(512, 3)])
    assert [u for u in range(1, 39) if plan.ends_epoch(u)] == [13, 25, 38]


def test_a_limit_cuts_stages_and_leaves_out_those_beyond_it():
    plan = plan_run(100, 8, [(512, 2), (640, 1)], most_updates=20)
    assert [(s.size, s.first, s.end) for s in plan.stages] == [(512, 0, 20)]


def test_fewer_images_than_an_update_still_make_one():
    assert plan_run(3, 8, [(32, 1)]).total_updates == 1


def test_images_seen_are_found_again_in_other_updates():
    plan = plan_run(100, 16, [(512, 3)])  # 300 images: 18.75, so 19 updates.
    # Two epochs are 12.5 updates. Rounded down, images would be seen twice.
    assert [plan.update_at(seen) for seen in (0, 1, 16, 17, 200, 304)] == [0, 1, 1, 2, 13, 19]
    assert plan.update_at(1000) == 19
    assert plan_run(100, 8, [(512, 3)]).epoch(25) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("batch_size", "size", "expected"),
    [
        (36, 128, 3),
        # 96 * 640 * 640 * 3 bytes are 118 MB, so four would fit in 0.5 GiB.
        (96, 640, 3),
        # 221 MB: two. 944 MB: not even one, but one waits all the same.
        (512, 379, 2),
        (768, 640, 1),
    ],
)
def test_waiting_updates_hold_at_most_half_a_gibibyte_of_images(batch_size, size, expected):
    assert updates_in_flight(batch_size, size) == expected
