"""Commands that Ctrl-C or SIGTERM stops: exit codes, messages, and no process left."""

import concurrent.futures
import dataclasses
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from waiting import session_has_ended, wait_for

from tfrecords_tools.command import cli, process_pool, stopping


@dataclasses.dataclass
class Settings:
    """Does a thing.

    Attributes:
        times: How often.
    """

    times: int = 1


def stopped_by(number, resumes):
    def main(config):
        os.kill(os.getpid(), number)
        threading.Event().wait(60)  # Signals are handled before the next instruction or two.
        raise AssertionError("not stopped")

    return cli.run(Settings, main, prog="thing", argv=[], resumes=resumes)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_command_that_resumes_says_so_with_a_code_of_its_own(number, capsys):
    before = signal.getsignal(signal.SIGTERM)
    assert stopped_by(number, resumes=True) == stopping.STOPPED == 75
    assert capsys.readouterr().err == "thing: stopped; the same command resumes\n"
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_any_other_command_ends_as_shells_expect(number, code, capsys):
    assert stopped_by(number, resumes=False) == code
    assert capsys.readouterr().err == "thing: interrupted\n"


def test_a_command_says_what_it_did_with_its_work(capsys):
    def main(config):
        raise stopping.Stopped("runs/a: saved after update 5")

    assert cli.run(Settings, main, prog="thing", argv=[], resumes=True) == 75
    expected = "thing: runs/a: saved after update 5; the same command resumes\n"
    assert capsys.readouterr().err == expected


def test_a_command_runs_outside_of_the_main_thread_too():
    codes = []
    thread = threading.Thread(
        target=lambda: codes.append(cli.run(Settings, lambda config: 0, prog="x", argv=[]))
    )
    thread.start()
    thread.join()
    assert codes == [0]


def test_a_handler_of_the_program_is_left_alone():
    seen = []
    before = signal.signal(signal.SIGTERM, lambda *_: seen.append(1))
    try:
        code = cli.run(
            Settings, lambda config: os.kill(os.getpid(), signal.SIGTERM), prog="x", argv=[]
        )
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (code, seen) == (0, [1])


def test_a_deferred_signal_is_raised_even_if_the_work_fails():
    # One signal to all processes: it ends a worker, and the parent's work fails without it.
    def main(config):
        with stopping.deferred():
            signal.raise_signal(signal.SIGTERM)
            raise OSError("the worker has gone")

    assert cli.run(Settings, main, prog="thing", argv=[]) == 143


def test_a_signal_that_workers_receive_first_stops_the_command(capsys):
    # What a service manager does with SIGTERM to a group: one process after the other.
    later = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM))

    def main(config):
        with process_pool.process_pool(1) as pool:
            ending = pool.submit(os.kill, pool.submit(os.getpid).result(), signal.SIGTERM)
            concurrent.futures.wait([ending])
            later.start()
            ending.result()

    try:
        assert cli.run(Settings, main, prog="thing", argv=[]) == 143
    finally:
        later.cancel()
    assert capsys.readouterr().err == "thing: interrupted\n"


@pytest.mark.parametrize("whole_session", [False, True])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_sample_being_drawn_leaves_no_process_and_no_folder(
    tmp_path, number, code, whole_session
):
    # A terminal sends Ctrl-C, and a container SIGTERM, to all processes.
    command = [sys.executable, "-m", "tfrecords_tools.sample", "--output", str(tmp_path / "s")]
    process = subprocess.Popen(
        [*command, "--processes", "2"], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    # The tracker that multiprocessing starts for itself, and two workers.
    wait_for(lambda: len(children.read_text().split()) >= 3, process)
    (os.killpg if whole_session else os.kill)(process.pid, number)
    _, error = process.communicate()
    assert process.returncode == code, error
    assert error.splitlines()[-1] == "glrtf sample: interrupted"
    assert "Traceback" not in error
    wait_for(lambda: session_has_ended(process.pid))
    assert list(tmp_path.iterdir()) == []
