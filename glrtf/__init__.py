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

__version__ = "0.1.0"
__all__ = lazy.offer(__name__)
