"""Tests here run TensorFlow on two logical CPU devices."""

from tf_devices import split_cpu

split_cpu()
