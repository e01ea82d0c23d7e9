#!/usr/bin/env bash
# openvino 2026.4.1, numpy 2.4.6, Linux x86-64: the alternate signal stack of a thread that compiles a model for the CPU.
#
# Expected: compiling a model leaves the alternate signal stack alone that the program has set (here faulthandler's).
# Seen: while the runtime (`Core`) is alive, the thread's alternate signal stack is another, smaller one, which is OpenVINO's;
# it is put back when the runtime is released. Python runs every signal handler on that stack, not only those of faults.
# A program that makes and releases several runtimes should therefore not expect the stack to stay valid: in a process with
# pytest's faulthandler, a SIGTERM that a Python handler was waiting for ended the process. One runtime a process, never
# released, is safe.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet openvino==2026.4.1 numpy==2.4.6

cat > "$folder/stack.py" << 'PYTHON'
import ctypes
import faulthandler
import gc

import numpy as np
import openvino
from openvino import opset13


class Stack(ctypes.Structure):
    _fields_ = [("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]


def current():
    stack = Stack()
    ctypes.CDLL(None).sigaltstack(None, ctypes.byref(stack))
    return stack.start


faulthandler.enable()
before = current()
values = opset13.parameter([1, 3], np.float32)
runtime = openvino.Core()
network = runtime.compile_model(openvino.Model([opset13.relu(values)], [values]), "CPU")
print("compiled:", "same" if current() == before else "another")
del network, runtime
gc.collect()
print("released:", "same" if current() == before else "another")
PYTHON

found=$("$folder/venv/bin/python" "$folder/stack.py")
echo "$found"
[ "$found" = $'compiled: another\nreleased: same' ] || { echo "changed: expected another, then same"; exit 1; }
