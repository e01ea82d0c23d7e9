"""Tests here run TensorFlow on two logical CPU devices."""

from tf_devices import pytest_collectstart as pytest_collectstart
