"""How the tests themselves are run."""

import importlib.util
import sys
from pathlib import Path

import pytest
from longest_files import LONGEST


def test_the_longest_files_exist():
    tests = Path(__file__).parent
    assert [name for name in LONGEST if not (tests / name).is_file()] == []


def test_keras_alone_misses_its_optional_packages(monkeypatch):
    pytest.importorskip("IPython", reason="pip install ipykernel")
    monkeypatch.delitem(sys.modules, "IPython")
    with pytest.raises(ModuleNotFoundError, match=r"^No module named 'IPython'$"):
        exec("import IPython", {"__name__": "keras.src.saving.file_editor"})
    assert importlib.util.find_spec("IPython")
