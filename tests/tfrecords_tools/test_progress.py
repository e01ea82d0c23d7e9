import pytest

from tfrecords_tools import progress


def test_durations_are_written_for_people() -> None:
    assert progress.format_seconds(7.21) == "7.2 s"
    assert progress.format_seconds(185) == "3 min 05 s"
    assert progress.format_seconds(3599.6) == "1 h 00 min"
    assert progress.format_seconds(7800) == "2 h 10 min"


def test_plain_lines_give_count_rate_and_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 10.0, 10.0, 10.0, 10.0, 20.0, 20.0, 20.0, 20.0, 20.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with progress.Progress("embed test", total=40, unit="image") as bar:
        bar.update(10, note="loss 3")  # 10 of 40 in 10 s: 1/s, 30 s left
        bar.update(30)
    first, *_, last = capsys.readouterr().err.splitlines()
    assert first == "embed test: 10/40 images, 1/s, 30.0 s left, loss 3"
    assert last == "embed test: 40/40 images, 2/s, took 20.0 s"


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
