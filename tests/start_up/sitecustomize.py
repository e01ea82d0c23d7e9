"""Every Python process of the tests starts with this: TensorFlow imports in half the time.

Keras and TensorFlow import scikit-learn, pandas, Matplotlib, IPython and JAX where they are
installed, for their wrappers of estimators, tables, galleries and converters, which nothing here
uses. The finder lets these imports, and no others, fail as where the packages are missing.
"""

import importlib.abc
import sys

# What each package is imported by, in vain.
OPTIONAL = {
    "sklearn": ("keras.",),
    "pandas": ("keras.",),
    "matplotlib": ("keras.",),
    "IPython": ("keras.",),
    "jax": ("keras.src.callbacks.", "tensorflow.lite."),
}


class WithoutExtras(importlib.abc.MetaPathFinder):
    """Reports an optional package as missing to the modules that can do without it."""

    def find_spec(self, name, path=None, target=None):
        if name in OPTIONAL and _importer().startswith(OPTIONAL[name]):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def _importer():
    """The name of the module whose import statement runs."""
    frame = sys._getframe(2)
    while frame and frame.f_globals.get("__name__", "").startswith("importlib"):
        frame = frame.f_back
    return frame.f_globals.get("__name__", "") if frame else ""


sys.meta_path.insert(0, WithoutExtras())
