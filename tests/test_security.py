"""What no file of the packages may do, and that the lock pins what the constraints pin."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(
    path.relative_to(ROOT)
    for folder in ("glrtf", "tfrecords_tools", "benchmarks", "docs/hooks")
    for path in (ROOT / folder).rglob("*.py")
)
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
# Names of calls that run text as code, load any object, or write where an archive says.
UNSAFE_CALLS = {
    *("eval", "exec", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load", "yaml.full_load"),
    *("pandas.read_pickle", "pd.read_pickle", "torch.load"),
}
UNSAFE_METHODS = {"extractall", "enable_unsafe_deserialization"}


def complaints(text):
    """What a file's text does of that, with the line."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            names = []
        yield from ((node.lineno, n) for n in names if n.split(".")[0] in UNSAFE_MODULES)
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if called in UNSAFE_CALLS or called.rpartition(".")[2] in UNSAFE_METHODS:
            yield node.lineno, called
        for keyword in node.keywords:
            given = (keyword.arg, getattr(keyword.value, "value", None))
            if given in {("allow_pickle", True), ("shell", True), ("safe_mode", False)}:
                yield node.lineno, f"{called}(…, {keyword.arg}={given[1]})"


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from joblib import load",
        "eval('1')",
        "yaml.load(text)",
        "archive.extractall('x')",
        "np.load(path, allow_pickle=True)",
        "subprocess.run('ls', shell=True)",
        "keras.models.load_model(path, safe_mode=False)",
    ],
)
def test_each_of_them_is_seen(text):
    assert list(complaints(text))
    assert not list(complaints("model.eval\nnp.load(path, allow_pickle=False)\nyaml.safe_load(t)"))


def test_no_file_does_any_of_it():
    assert len(FILES) > 150
    found = {str(path): list(complaints((ROOT / path).read_text())) for path in FILES}
    # A reader that refuses all but four names, each of which only holds values.
    restricted = [name for _, name in found.pop("glrtf/models/torch_file.py")]
    assert restricted == ["pickle"]
    assert not {path: seen for path, seen in found.items() if seen}


def pins(name):
    text = (ROOT / name).read_text()
    return dict(re.findall(r"^([A-Za-z0-9_.-]+)==([^\s;\\]+)", text, re.MULTILINE))


def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_lock_pins_what_the_constraints_pin():
    locked = {plain(name): version for name, version in pins("requirements.lock").items()}
    constrained = {plain(name): version for name, version in pins("constraints.txt").items()}
    shared = locked.keys() & constrained.keys()
    assert len(shared) > 100
    assert {n: locked[n] for n in shared} == {n: constrained[n] for n in shared}
    text = (ROOT / "requirements.lock").read_text()
    assert text.count("--hash=sha256:") >= len(locked)
    assert "://" not in text and "--index" not in text and "--find-links" not in text


def test_no_packed_objects_are_kept():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    assert not re.findall(r"\S+\.(?:pkl|pickle|joblib|pt|h5)$", tracked.stdout, re.MULTILINE)
