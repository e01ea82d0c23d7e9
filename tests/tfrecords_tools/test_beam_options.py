import pytest

from tfrecords_tools import beam_options
from tfrecords_tools.errors import UserError

pytest.importorskip("apache_beam", reason="pip install 'apache-beam'")


def _runner(*options):
    from apache_beam.options.pipeline_options import StandardOptions

    return beam_options.pipeline_options(options).view_as(StandardOptions).runner


@pytest.mark.parametrize(
    "options", [(), ("runner=DirectRunner",), ("--runner=directrunner",), ("runner=direct",)]
)
def test_no_runner_and_the_direct_one_are_the_one_without_downloads(options):
    assert _runner(*options) == "FnApiRunner"


@pytest.mark.parametrize("runner", ["PrismRunner", "FlinkRunner", "SwitchingDirectRunner"])
def test_other_runners_stay(runner):
    assert _runner(f"runner={runner}") == runner


def test_other_options_are_beams():
    from apache_beam.options.pipeline_options import DirectOptions

    parsed = beam_options.pipeline_options(["--direct_num_workers=3"])
    assert parsed.view_as(DirectOptions).direct_num_workers == 3


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("runner=NoSuchRunner", "expected a runner of Apache Beam, found 'NoSuchRunner'"),
        ("direct_num_workers=many", "found argument --direct_num_workers: invalid int value"),
    ],
)
def test_what_beam_does_not_take_is_one_line(option, message, capsys):
    with pytest.raises(UserError, match=message) as caught:
        beam_options.pipeline_options([option], "--search.beam_options")
    assert str(caught.value).startswith("--search.beam_options: ")
    assert capsys.readouterr().err == ""
