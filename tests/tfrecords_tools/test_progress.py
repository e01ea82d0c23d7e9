import pytest

from tfrecords_tools import progress


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(progress.time, "monotonic", lambda: self.now)


def test_durations_are_written_for_people() -> None:
    assert progress.format_seconds(7.21) == "7.2 s"
    assert progress.format_seconds(185) == "3 min 05 s"
    assert progress.format_seconds(3599.6) == "1 h 00 min"
    assert progress.format_seconds(7800) == "2 h 10 min"


def test_plain_lines_give_count_rate_and_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    with progress.Progress("embed test", total=40, unit="image") as bar:
        clock.now = 100.0  # Most of it went into a compilation.
        bar.update(10)
        clock.now = 110.0
        bar.update(10, note="loss 3")  # 10 more in 10 s: 1/s, 20 s left.
        clock.now = 120.0
        bar.update(20)
    first, second, _, last = capsys.readouterr().err.splitlines()
    # Nothing is known yet of the time left.
    assert first == "embed test: 10/40 images, 0.1/s"
    assert second == "embed test: 20/40 images, 1/s, 20.0 s left, loss 3"
    # In the end all of the time counts: 40 in 120 s.
    assert last == "embed test: 40/40 images, 0.333/s, took 2 min 00 s"


def test_a_bar_leaves_what_came_before_its_first_update_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(monkeypatch)
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True, raising=False)
    with progress.Progress("train", total=40) as bar:
        assert bar._bar is not None
        monkeypatch.setattr(bar._bar, "_time", lambda: clock.now)
        bar._bar.start_t = bar._bar.last_print_t = 0.0
        clock.now = 100.0
        bar.update(10)
        clock.now = 110.0
        bar.update(10)
        shown = bar._bar.format_dict
        # 10 in 10 s; tqdm's rate is (n - initial) / elapsed.
        assert (shown["n"], shown["initial"], shown["elapsed"]) == (20, 10, 10.0)


def test_a_failed_block_does_not_claim_to_have_finished(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(RuntimeError), progress.Progress("x", total=3):
        raise RuntimeError
    assert capsys.readouterr().err == ""


def test_a_query_is_one_of_many_queries(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.Progress("rank", total=2, unit="query") as bar:
        bar.update(2)
    assert "2/2 queries" in capsys.readouterr().err
