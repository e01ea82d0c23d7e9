"""Fixtures of every test: the real photos, where they are at hand, and a storage emulator."""

import contextlib
import gc
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

# Where Python is set to keep no compiled modules, each of the tests' many processes would compile
# the project anew, and pytest rewrite the assertions of every file and of hypothesis.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

import hypothesis  # noqa: E402
import pytest  # noqa: E402
import storage_emulator  # noqa: E402
from longest_files import LONGEST  # noqa: E402

# All processes that tests start, and this one: see there.
START_UP = Path(__file__).parent / "start_up"
if str(START_UP) not in os.environ.get("PYTHONPATH", "").split(os.pathsep):
    inherited = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(START_UP), *([inherited] if inherited else [])])
    sys.path.insert(0, str(START_UP))
    import sitecustomize as sitecustomize

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
# XLA's programs here run for microseconds: LLVM's optimisation takes longer than it saves.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true",
)

# The collector looks at every object that TensorFlow keeps of earlier tests: 4 % of the
# time of test_loop.py.
gc.set_threshold(50_000, 20, 100)

# A machine shared with other work may be ten times slower: no test fails by the clock.
hypothesis.settings.register_profile(
    "any_machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any_machine")

# A shell that starts the tests in the background lets them, and all they start, ignore Ctrl-C.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

SHARED = Path(os.environ.get("GLRTF_SHARED", Path(__file__).parents[2] / "shared"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the longest files first."""
    places = {Path(__file__).parent / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(scope="module")
def small_networks() -> Iterator[None]:
    """Every backbone is a few layers, so that the steps around it are what takes time."""
    with _small_networks():
        yield


@pytest.fixture
def small_network() -> Iterator[None]:
    """`small_networks` for one test, where others of its file need a published network."""
    with _small_networks():
        yield


@contextlib.contextmanager
def _small_networks() -> Iterator[None]:
    from glrtf.models import efficientnet_lite, efficientnet_v2

    stage = efficientnet_lite.Stage
    small = efficientnet_v2.Variant("r1k3s2e1i8o8c1 r1k3s2e2i8o16se.25")
    with pytest.MonkeyPatch.context() as patch:
        for name in efficientnet_v2.VARIANTS:
            patch.setitem(efficientnet_v2.VARIANTS, name, small)
        patch.setattr(efficientnet_lite, "STAGES", (stage(1, 3, 1, 1, 8), stage(1, 3, 2, 2, 16)))
        yield


@pytest.fixture(scope="session")
def minigld() -> Path:
    """The folder of 1,322 real photos in GLDv2's own layout."""
    return _folder_or_skip("minigld")


@pytest.fixture(scope="session")
def faults() -> Path:
    """The folder of broken images."""
    return _folder_or_skip("faults")


@pytest.fixture(scope="module")
def storage() -> Iterator["storage_emulator.Gate"]:
    """An emulator of Google Cloud Storage on this machine, behind its gate of faults."""
    pytest.importorskip("gcp_storage_emulator", reason="pip install gcp-storage-emulator")
    from tfrecords_tools.storage import remote

    with storage_emulator.running() as gate:
        yield gate
    remote.client.cache_clear()


def _folder_or_skip(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is missing; set GLRTF_SHARED to the folder that holds {name}/")
    return folder
