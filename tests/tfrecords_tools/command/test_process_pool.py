import subprocess
import sys

# What a child starts inherits its blocked signals, and Linux shows them.
_SCRIPT = """
import multiprocessing, signal, subprocess
from tfrecords_tools.command import process_pool

show = ["grep", "SigBlk", "/proc/self/status"]
process = multiprocessing.get_context("spawn").Process(target=subprocess.call, args=(show,))
with process_pool.deaf_to_ctrl_c():
    process.start()
process.join()
subprocess.call(show)
"""


def test_the_first_process_too_is_deaf_to_ctrl_c():
    """In a process of its own, whose resource tracker starts with its first child."""
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT], check=True, capture_output=True, text=True
    )
    child, parent = (int(line.split()[1], 16) for line in done.stdout.splitlines())
    # Signal n is bit n - 1; SIGINT is 2.
    assert child & 2 and not parent & 2
