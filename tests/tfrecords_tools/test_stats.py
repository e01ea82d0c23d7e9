import io

import numpy as np
from PIL import Image
from tiny_gldv2 import image_id, jpeg, member, write_md5, write_tar, write_train, write_unlabelled

from tfrecords_tools import build, stats
from tfrecords_tools.build import BuildConfig
from tfrecords_tools.dataset_info import DatasetInfo


def _built(tmp_path):
    root = tmp_path / "gldv2"
    write_train(root)
    write_unlabelled(root, "index")
    photos = {0: b"", 3: jpeg(3, (8, 9)), 6: jpeg(6, (8, 9)), 9: jpeg(9, (250, 90))}
    members = [(member(image_id(n)), photos.get(n, jpeg(n))) for n in range(0, 24, 3)]
    write_tar(root / "train" / "images_000.tar", members)
    write_md5(root, "train", 0)
    output = tmp_path / "out"
    build.build(BuildConfig(str(root), str(output), ["train", "index"], num_shards=2))
    return output


def test_figures_are_those_of_the_source(tmp_path):
    lines = stats.describe(stats.stats_of(DatasetInfo.load(str(_built(tmp_path) / "train"))))
    text = "\n".join(lines)
    assert lines[0].startswith("train: 21 images, 2 shards,")
    assert "  rejected: 2 too small, 1 empty" in lines
    # 24 images of landmark 100·(i % 5) give 5, 5, 5, 5, 4; images 0, 3 and 6 were rejected,
    # which show 0, 300 and 100: 4, 4, 5, 4, 4 are left.
    assert "classes: 5, 5 of them with images" in text
    assert "median 4, mean 4.2, smallest 4, largest 5, alone 0" in text
    assert "largest landmarks: 200: 5, 0: 4, 100: 4, 300: 4, 400: 4" in text
    # All are 40 pixels long but one of 250; noise compresses badly, none reaches 50 KiB.
    assert [line.split()[:2] for line in lines[lines.index("  longest side, pixels:") + 1 :]][
        :2
    ] == [["0-99", "20"], ["200-299", "1"]]


def test_unlabelled_sets_have_no_classes(tmp_path):
    lines = stats.describe(stats.stats_of(DatasetInfo.load(str(_built(tmp_path) / "index"))))
    assert not any("class" in line for line in lines)


def test_the_command_prints_every_set_and_draws_the_curve(tmp_path, capsys):
    output, curve = _built(tmp_path), tmp_path / "curve.png"
    assert stats.main([str(output), "--curve", str(curve)]) == 0
    text = capsys.readouterr().out
    assert "index: 6 images" in text and "train: 21 images" in text
    drawn = np.asarray(Image.open(io.BytesIO(curve.read_bytes())).convert("RGB"), np.int16)
    # The curve is drawn in Matplotlib's first colour, 1f77b4.
    assert np.sum(np.abs(drawn - (0x1F, 0x77, 0xB4)).sum(axis=2) < 30) > 200


def test_no_curve_is_drawn_by_default(tmp_path, monkeypatch):
    output = _built(tmp_path)
    before = set(tmp_path.rglob("*"))
    # Not even where the command is run.
    monkeypatch.chdir(tmp_path)
    assert stats.main([str(output)]) == 0
    assert set(tmp_path.rglob("*")) == before
