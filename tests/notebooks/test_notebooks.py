"""The notebooks, run to the end in kernels of their own on what one tiny model gives.

The demo runs once with a network of a few layers; each notebook continues from its files. What
the cell tagged ``parameters`` sets is replaced by a cell after it.
"""

import ast
import csv
import json
import os
import tarfile
import tempfile
from pathlib import Path

import nbformat
import pytest
from documented import ROOT
from jax_checks import XLA_FLAGS
from jupyter_client import AsyncKernelManager
from nbclient import NotebookClient

import glrtf
from glrtf.models import lite_weights

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TRAINING = {"backbone": "v2b0", "size": 32, "epochs": 1, "batch_size": 16, "warmup_epochs": 0}
TRAINING |= {"accumulation_steps": 1, "learning_rate": 1e-3, "weights": "none"}
SMALL_NETWORK = """
from glrtf.models import efficientnet_v2

_small = efficientnet_v2.Variant("r1k3s2e1i8o8c1 r1k3s2e2i8o16se.25")
efficientnet_v2.VARIANTS.update(dict.fromkeys(efficientnet_v2.VARIANTS, _small))
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory, small_networks):
    """The finished demo of a small sample, and the settings it was trained with."""
    folder = tmp_path_factory.mktemp("demo")
    settings = folder / "settings.yaml"
    settings.write_text(json.dumps(TRAINING))  # JSON is YAML.
    config = glrtf.DemoConfig(
        str(folder / "demo"), settings=str(settings), num_landmarks=3, photos_per_landmark=9
    )
    return config, glrtf.demo(config)


def run(name: str, folder: Path, parameters: dict, before: str = "") -> str:
    """Runs a notebook in a folder; returns what its cells printed.

    Args:
        name: The notebook.
        folder: The kernel's working directory.
        parameters: What replaces the values of the cell tagged ``parameters``.
        before: Code that the same cell runs.
    """
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    [place] = [
        number
        for number, cell in enumerate(notebook.cells)
        if "parameters" in cell.metadata.get("tags", [])
    ]
    code = "\n".join([f"{key} = {value!r}" for key, value in parameters.items()] + [before])
    notebook.cells.insert(place + 1, nbformat.v4.new_code_cell(code))
    # A socket file needs a short name, and no port.
    with tempfile.TemporaryDirectory(prefix="kernel-") as sockets:
        kernel = AsyncKernelManager(kernel_name="python3", transport="ipc", ip=f"{sockets}/ipc")
        client = NotebookClient(notebook, km=kernel, timeout=None)
        client.execute(cwd=str(folder), cleanup_kc=True)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    pictures = [one for one in outputs if "image/png" in one.get("data", {})]
    assert len(pictures) >= 2
    return "".join(one.text for one in outputs if one.output_type == "stream")


@pytest.fixture(autouse=True)
def kernels_find_the_project(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)


def read_table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_stripped_and_the_file_is_valid(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert sum("parameters" in cell.metadata.get("tags", []) for cell in code) == 1


def test_quickstart(demo, tmp_path):
    config, result = demo
    shown = run(
        "quickstart",
        tmp_path,
        {
            "OUTPUT": config.output,
            "SETTINGS": config.settings,
            "NUM_LANDMARKS": config.num_landmarks,
            "PHOTOS_PER_LANDMARK": config.photos_per_landmark,
        },
    )
    # The demo was not repeated, and what the notebook ranks itself scores the same.
    assert "train: already done" in shown
    assert f"direct       mAP@100 {result.scores['direct']:.3f}" in shown
    assert f"direct   mAP@100 {result.scores['direct']:.3f}" in shown
    assert f"bridged  mAP@100 {result.scores['fifth_place']:.3f}" in shown
    assert shown.rstrip().endswith(result.page)


def test_kaggle_inference(demo, tmp_path):
    """Photos in folders, two models of which both are the tiny one; ranked as the demo did."""
    config, _ = demo
    source = Path(config.output) / "gldv2"
    for split in ("test", "index"):
        for tar_path in (source / split).glob("*.tar"):
            with tarfile.open(tar_path) as tar:
                tar.extractall(tmp_path / "input" / split, filter="data")
    os.symlink(source / "metadata" / "train.csv", tmp_path / "input" / "train.csv")
    shown = run(
        "kaggle_inference",
        tmp_path,
        {
            "INPUT": "input",
            "MODELS": [f"{config.output}/model"] * 2,
            "TRAIN_SETS": [f"{config.output}/embeddings/train"] * 2,
            "NON_LANDMARK_SETS": [],
            "WHEELS": "",
            "WORK": "work",
        },
    )
    assert "note: no non-landmark images given" in shown
    rows = read_table(tmp_path / "submission.csv")
    assert {row["id"] for row in rows} == {
        row["id"] for row in read_table(source / "metadata" / "test.csv")
    }
    solution = source / "metadata" / "retrieval_solution_v2.1.csv"
    measured = glrtf.score(tmp_path / "submission.csv", solution)["All"]["map@100"]
    embeddings = Path(config.output) / "embeddings"
    expected = glrtf.rank(
        *(embeddings / split for split in ("test", "index", "train")),
        source / "metadata" / "train.csv",
    )
    assert measured == pytest.approx(glrtf.score(expected, solution)["All"]["map@100"], abs=0.01)


def test_own_photos_starts_from_installed_weights():
    notebook = nbformat.read(ROOT / "notebooks" / "own_photos.ipynb", as_version=4)
    [cell] = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    [training] = [
        ast.literal_eval(line.value)
        for line in ast.parse(cell.source).body
        if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "TRAINING"
    ]
    config = glrtf.TrainConfig(data="own/shards", **training)
    assert (config.backbone, config.weights) == ("lite0", "imagenet")
    # No network is needed: the file is part of a package.
    assert os.path.isfile(lite_weights.find_file(config.backbone))


def test_own_photos(tmp_path):
    shown = run("own_photos", tmp_path, {"TRAINING": TRAINING}, before=SMALL_NETWORK)
    held_out = read_table(tmp_path / "held_out.csv")
    table = read_table(tmp_path / "photos.csv")
    assert len(held_out) >= 6 and not {row["photo"] for row in held_out} & {
        row["photo"] for row in table
    }
    assert f"{len(table)} photos, {len(table)} of 4 landmarks" in shown
    assert f"{len(held_out)} photos of held_out.csv" in shown
    assert f"photos/{held_out[0]['photo']}\n" in shown


def test_a_run_of_kaggles_tpu_notebook_resumes_in_colabs(tmp_path, monkeypatch):
    """On a CPU. The first session ends after an update; the second finishes the same run."""
    # Both compile the same programs: the second notebook finds them.
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "compiled"))
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    monkeypatch.setenv("XLA_FLAGS", XLA_FLAGS)
    training = TRAINING | {"margin": 0.2, "validate_every": 0}
    small = f"from glrtf.config import keras_backend\n\nkeras_backend.use('jax'){SMALL_NETWORK}"
    common = {
        "WHEEL": "",
        "CHIPS": 2,
        "OUTPUT": "drawn",
        "SAMPLE": {"num_landmarks": 2, "photos_per_landmark": 12},
        "SAMPLE_TRAINING": training,
        "DATA": "drawn/sample/shards",
        "TRAINING": training | {"epochs": 2},
    }
    session = {"WORKDIR": "working/run", "PREVIOUS": "input/run", "MAX_HOURS": 1e-9}
    shown = run("kaggle_tpu", tmp_path, common | session, before=small)
    assert "working/run: 1 updates, to be resumed" in shown
    session = {"WORKDIR": "working/run", "MAX_HOURS": 0}
    shown = run("colab_tpu", tmp_path, common | session, before=small)
    [line] = [line for line in shown.splitlines() if line.endswith(" updates, finished")]
    assert line.startswith("working/run: ")
    for name in ("direct", "bridged"):
        assert f"{name:<8} mAP@100 " in shown
