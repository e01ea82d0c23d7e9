import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from shard_writing import write_split

from glrtf.commands import preview
from glrtf.config.data import AugmentConfig, InputConfig, PreviewConfig

OFF = AugmentConfig(hflip=0, hue=0, saturation=0, contrast=0, brightness=0)


def test_rows_show_the_photo_first_and_then_its_versions(tmp_path):
    folder = str(write_split(tmp_path / "train", [5]))
    config = InputConfig(exact_resize=True)
    still = preview.augmented(
        PreviewConfig(folder, photos=9, steps=2, size=12, augment=OFF, input=config)
    )
    assert still.shape == (5, 3, 12, 12, 3)  # there are but five photos
    np.testing.assert_array_equal(still[:, 0], still[:, 1])
    varied = preview.augmented(PreviewConfig(folder, photos=5, steps=2, size=12, input=config))
    np.testing.assert_array_equal(varied[:, 0], still[:, 0])
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert (varied[:, first] != varied[:, second]).any(axis=(1, 2, 3)).all()


def test_the_sheet_holds_every_image_at_its_place(tmp_path):
    rows = np.random.default_rng(0).integers(0, 256, (2, 3, 8, 8, 3), dtype=np.uint8)
    sheet = preview.contact_sheet(rows, ["before", "a", "b"])
    # Gaps of 4 and a header of 16 pixels: row r begins at 16 + 12 r, column c at 4 + 12 c.
    assert sheet.shape == (16 + 2 * 12, 4 + 3 * 12, 3)
    for row, column in np.ndindex(2, 3):
        place = sheet[16 + 12 * row :, 4 + 12 * column :][:8, :8]
        np.testing.assert_array_equal(place, rows[row, column])


@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_command_writes_the_sheet(tmp_path, capsys, kind):
    folder = write_split(tmp_path / "train", [3])
    output = tmp_path / f"sheet.{kind}"
    arguments = ["--data", str(folder), "--output", str(output), "--size=16", "--steps=1"]
    assert preview.main([*arguments, "--augment.affine", "--input.exact-resize"]) == 0
    assert "3 photos, 1 augmented versions of each" in capsys.readouterr().out
    with Image.open(output) as sheet:
        assert sheet.size == (4 + 2 * 20, 16 + 3 * 20)


def test_nothing_but_the_result_is_printed(tmp_path):
    """In a process of its own, since XLA speaks at its first compilation alone."""
    folder = write_split(tmp_path / "train", [2])
    arguments = ["--data", folder, "--output", tmp_path / "a.png", "--size=8", "--steps=1"]
    command = [sys.executable, "-m", "glrtf.data.preview", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 1
    for word in ("AutoGraph", "Compiled cluster", "absl::InitializeLog"):
        assert word not in done.stderr


def test_mistakes_take_one_line(tmp_path, capsys):
    assert preview.main(["--data", str(tmp_path), "--output", "sheet.gif"]) == 2
    assert preview.main(["--data", str(tmp_path / "none")]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert "output: expected a .png or .jpg file, found 'sheet.gif'" in first
    assert "none: expected a folder, found none of that name" in second
