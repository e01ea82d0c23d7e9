from pathlib import Path

from glrtf.config.training import TrainConfig
from tfrecords_tools.command import cli

CONFIGS = Path(__file__).parents[3] / "configs"


def test_each_stage_begins_with_the_weights_of_the_one_before():
    paths = sorted(CONFIGS.glob("stage*.yaml"))
    stages = [cli.parse(TrainConfig, [f"--config={path}"], prog="train") for path in paths]
    assert [each.size for each in stages] == [384, 384, 512, 512]
    assert [each.workdir for each in stages] == [f"runs/{path.stem}" for path in paths]
    assert [each.init_from for each in stages] == ["", *(each.workdir for each in stages[:-1])]
    assert len({each.data for each in stages}) == 4
    assert len({each.backbone for each in stages}) == 1
