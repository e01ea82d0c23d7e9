import pytest

from glrtf.config.training import TrainConfig
from glrtf.inference.model_folders import require_workdir
from tfrecords_tools.command import cli
from tfrecords_tools.errors import UserError


def refusal(folder, run_backbone, backbone=""):
    (folder / "config.yaml").write_text(cli.to_yaml(TrainConfig(backbone=run_backbone)))
    with pytest.raises(UserError) as caught:
        require_workdir("--workdir", str(folder), "", backbone)
    return str(caught.value)


def test_a_workdir_does_not_choose_the_code_that_is_run(tmp_path):
    found = refusal(tmp_path, "os.path:join")
    assert "backbone: expected no function in a settings file" in found
    # Named on the command line too, it is taken: what is missing next is a checkpoint.
    assert "expected a workdir with checkpoints" in refusal(
        tmp_path, "os.path:join", "os.path:join"
    )
    other = refusal(tmp_path, "os.path:join", "os.path:split")
    assert "expected no function in a settings file" in other


def test_another_backbone_than_the_runs_is_refused(tmp_path):
    found = refusal(tmp_path, "lite0", "os.path:join")
    assert found.startswith("--backbone os.path:join: expected lite0 as ")
