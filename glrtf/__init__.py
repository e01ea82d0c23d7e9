"""Landmark retrieval: train descriptors, embed photos, rank them, measure the ranking.

``import glrtf`` costs milliseconds: each name of ``__init__.pyi`` is imported when it is first
used.
"""

import os
import sys

from glrtf.api import lazy

# Importing TensorFlow imports Keras, which chooses its backend then, by this and by keras.json.
# glrtf.config.keras_settings sets the rest.
if "keras" not in sys.modules:
    os.environ["KERAS_BACKEND"] = "tensorflow"
# TensorFlow reads this when it is loaded; its notes on the processor would fill a notebook.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# OpenBLAS reads this when NumPy is loaded. After a product its threads wait actively, for 2**28
# cycles (0.1 s) by default, and take cores from the threads that look through the scores for a few
# milliseconds. 2**20 are less than that.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "20")

__version__ = "0.1.0"
__all__ = lazy.offer(__name__)
