import subprocess
import sys

_SCRIPT = """
import resource
import numpy as np
from tfrecords_tools.command import allocator

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        np.ones(3 << 20, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

assert allocator.keep_freed_memory()
faults()
print(faults())
"""


def test_arrays_made_again_and_again_ask_for_no_new_pages():
    # 20 arrays of 3 MiB are 15,360 pages of 4 KiB; the memory of the first serves all.
    done = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 1000
