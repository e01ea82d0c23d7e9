"""The settings of every command, as light dataclasses."""

from glrtf.config import keras_file
from tfrecords_tools.command import prerequisites

# Every command of this package imports its settings from here.
prerequisites.add(keras_file.require_sound)
