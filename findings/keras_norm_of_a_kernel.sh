#!/usr/bin/env bash
# keras 3.15.1, tensorflow-cpu 2.20.0, jax 0.10.2: keras.ops.norm of an array with four axes, such as a convolution's kernel.
#
# Expected: with neither ord nor axis, the 2-norm of all elements, as numpy.linalg.norm gives and on every backend alike.
# Seen: the JAX and NumPy backends give 65.757; the TensorFlow backend raises
#   ValueError: Invalid axis values. Received: axis=(0, 1, 2, 3)
# An optimizer that scales by the norm of each variable (LAMB, LARS) therefore runs on dense layers, and stops at the first
# convolution, on TensorFlow alone.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet keras==3.15.1 tensorflow-cpu==2.20.0 jax==0.10.2 jaxlib==0.10.2

cat > "$folder/norm.py" << 'PYTHON'
import keras
import numpy as np

kernel = np.arange(24, dtype="float32").reshape(2, 3, 2, 2)
try:
    print(f"{float(keras.ops.norm(kernel)):.3f}")
except ValueError as error:
    print(f"ValueError: {error}")
PYTHON

check() {
  local found
  found=$(KERAS_BACKEND=$1 TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" "$folder/norm.py" 2> "$folder/errors" | tail -n 1)
  echo "$1: $found"
  [ "$found" = "$2" ] || { echo "changed: expected $2"; tail -n 5 "$folder/errors"; exit 1; }
}
check numpy 65.757
check jax 65.757
check tensorflow 'ValueError: Invalid axis values. Received: axis=(0, 1, 2, 3)'
