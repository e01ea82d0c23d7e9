import dataclasses
import json
from pathlib import Path

from glrtf.config.data import AugmentConfig
from glrtf.config.distillation import DistillConfig
from glrtf.config.planning import PlanConfig
from glrtf.planning import jax_compiler
from tfrecords_tools.storage import files


def test_settings_come_back_from_the_file_that_the_compiler_reads(tmp_path: Path) -> None:
    config = PlanConfig(
        backbone="v2s",
        size=96,
        batch_size=8,
        accumulation_steps=4,
        strategy="tpu",
        tpu="v5e-8",
        augment=AugmentConfig(affine=True, mixup=0.2),
        distill=DistillConfig(weight=3.0),
    )
    path = str(tmp_path / "settings.json")
    files.write_json(path, jax_compiler.settings_of(config, 12))
    found, num_classes = jax_compiler.config_of(files.read_json(path))
    assert num_classes == 12
    # The compiler's process knows nothing of the slice: it has no devices.
    expected = dataclasses.asdict(config) | {"strategy": "auto", "tpu": ""}
    got = dataclasses.asdict(found)
    assert got == {name: expected[name] for name in got}
    # The training code reads attributes of these groups, not keys.
    assert found.augment == config.augment
    assert found.distill == config.distill


def test_the_compilers_process_reads_that_file(tmp_path: Path, monkeypatch) -> None:
    """Its checksum is not taken for a setting."""
    settings = jax_compiler.settings_of(PlanConfig(size=64), 7)
    path, output = tmp_path / "settings.json", tmp_path / "answer.json"
    files.write_json(str(path), settings)
    asked = []

    def compile_update(settings: dict, topology: str) -> dict:
        asked.append((settings, topology))
        return {"seconds": 1.5}

    monkeypatch.setattr(jax_compiler, "compile_update", compile_update)
    monkeypatch.setattr(jax_compiler, "ENVIRONMENT", {})
    assert jax_compiler.main([str(path), "v5e:2x4", str(output)]) == 0
    assert asked == [(settings, "v5e:2x4")]
    assert json.loads(output.read_text()) == {"seconds": 1.5}
