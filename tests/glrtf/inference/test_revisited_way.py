"""From photos of Revisited Oxford or Paris to their score, on a made-up miniature."""

import json

import numpy as np
import pytest
from PIL import Image

from glrtf.commands import embed, evaluate, prepare_revisited, retrieve
from tfrecords_tools import build

INDEX = [
    "tower_by_day_000001",
    "bridge_by_day_000001",
    "tower_by_night_0002",
    "bridge_by_night_002",
]
# Both queries are one photo, the tower on its left and the bridge on its right.
TRUTH = {
    "imlist": INDEX,
    "qimlist": ["tower_of_both_0001", "bridge_of_both_0001"],
    "gnd": [
        {"easy": [0], "hard": [2], "junk": [], "bbx": [0, 0, 64, 64]},
        {"easy": [1], "hard": [3], "junk": [], "bbx": [64, 0, 128, 64]},
    ],
}


@pytest.fixture
def photos(tmp_path):
    generator = np.random.default_rng(0)
    blocks = generator.integers(40, 215, (2, 4, 4, 3))
    tower, bridge = (np.kron(block, np.ones((16, 16, 1))) for block in blocks)
    pictures = dict(zip(INDEX, (tower, bridge, 0.7 * tower, 0.7 * bridge), strict=True))
    both = np.concatenate([tower, bridge], axis=1)
    pictures |= dict.fromkeys(TRUTH["qimlist"], both)
    folder = tmp_path / "jpg"
    folder.mkdir()
    for name, pixels in pictures.items():
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{name}.jpg", quality=95)
    return folder


def run(command, *arguments):
    assert command.main([str(one) for one in arguments]) == 0


def test_photos_to_score(photos, saved_model, tmp_path):
    (tmp_path / "gnd.json").write_text(json.dumps(TRUTH))
    out = tmp_path / "mini"
    run(prepare_revisited, tmp_path / "gnd.json", photos, out)
    shards = ["--num_shards", 1, "--workers", 1]
    run(build, "--source", out, "--output", out / "shards", "--splits", "index", "test", *shards)
    for split in ("index", "test"):
        sets = ["--data", out / "shards", "--split", split, "--output", out / "sets" / split]
        run(embed, "--model", saved_model, "--strategy", "cpu", *sets)
    ranked = ["--preset", "direct", "--fusion.direct_k", 4, "--fusion.limit", 4]
    sets = ["--query", out / "sets" / "test", "--index", out / "sets" / "index"]
    run(retrieve, *sets, *ranked, "--output", out / "retrieval")
    truth = out / "metadata" / "ground_truth.json"
    run(evaluate, out / "retrieval", truth, "--json", tmp_path / "score.json")
    measures = json.loads((tmp_path / "score.json").read_text())["measures"]
    # Each query's box shows one of the two alone, so that its photo by day comes first.
    # Embedded whole, both queries would be one, and one of them wrong.
    assert measures["Easy"]["map"] == 1
    assert measures["Easy"]["mp@1"] == 1
    # All of the index is ranked, so that each right image is found somewhere.
    assert measures["Hard"]["map"] > 0
