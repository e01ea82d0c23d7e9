"""What every test may ask for: the real photos, where they are there."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

SHARED = Path(os.environ.get("GLRTF_SHARED", Path(__file__).parents[2] / "shared"))


@pytest.fixture(scope="session")
def minigld() -> Path:
    """The folder of 1,322 real photos in GLDv2's own layout."""
    return _folder_or_skip("minigld")


@pytest.fixture(scope="session")
def faults() -> Path:
    """The folder of broken images."""
    return _folder_or_skip("faults")


def _folder_or_skip(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is missing; set GLRTF_SHARED to the folder that holds {name}/")
    return folder
