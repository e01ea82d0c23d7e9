"""Decoders in separate processes; one that dies or takes too long is replaced.

Decoders read untrusted files. If a file crashes a decoder or takes minutes to decode, a child
process ends and one photo is refused, and the service continues. A thread could not be ended.
"""

import json
import logging
import math
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from glrtf.data.input_spec import InputSpec
from glrtf.service.decoder_channel import Channel
from glrtf.service.decoder_child import READY, RefusedPhotoError
from tfrecords_tools.command import process_pool

_CHILD = (sys.executable, "-m", "glrtf.service.decoder_child")
_LOG = logging.getLogger("glrtf.service")
_LONGEST_HEAD, _LONGEST_THUMBNAIL = 10_000, 10_000_000
_LAST_SECONDS = 5.0
# These signals come from outside the process and are not the photo's fault.
_FROM_OUTSIDE = (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT)


class DecoderTimeoutError(Exception):
    """A decoder gave no result in time and was stopped."""


class DecoderPool:
    """Child processes that decode photos, each one at a time.

    A pool may be used from many threads; a call waits until a decoder is free.

    Args:
        size: The number of processes.
        cpu_seconds: CPU time that a photo may take, rounded up to whole seconds.

    Attributes:
        replaced: The number of decoders that died or were ended.
    """

    def __init__(self, size: int, cpu_seconds: float) -> None:
        self._cpu_seconds = cpu_seconds
        self._free: queue.LifoQueue[_Decoder] = queue.LifoQueue()
        for _ in range(size):
            self._free.put(_Decoder())
        self._size = size
        self._counting = threading.Lock()
        self.replaced = 0

    def inputs(
        self,
        data: bytes,
        specs: Sequence[InputSpec],
        max_pixels: int,
        seconds: float,
        box: Sequence[float] | None = None,
    ) -> list[np.ndarray]:
        """See `decoder_child.read_inputs`.

        Args:
            data: The bytes of an image file.
            specs: How the inputs are made.
            max_pixels: Photos with more pixels are refused.
            seconds: How long it may take, including the wait for a decoder.
            box: The part that is wanted.

        Raises:
            RefusedPhotoError: If the photo is not accepted, kills its decoder, or needs more CPU
                time than allowed.
            DecoderTimeoutError: If the time is up.
        """
        wanted = [spec.as_json() for spec in specs]
        task = {"task": "inputs", "specs": wanted, "max_pixels": max_pixels, "box": box}
        ends = np.cumsum([math.prod(spec.shape) for spec in specs])
        values = np.split(self._run(task, data, seconds, int(ends[-1])), ends[:-1])
        return [each.reshape(spec.shape) for each, spec in zip(values, specs, strict=True)]

    def thumbnail(self, data: bytes, side: int, seconds: float) -> bytes:
        """See `glrtf.photos.thumbnails.thumbnail`; arguments and errors as for `inputs`."""
        task = {"task": "thumbnail", "side": side}
        return self._run(task, data, seconds, _LONGEST_THUMBNAIL).tobytes()

    def close(self) -> None:
        """Stops the decoders; busy ones finish first."""
        for _ in range(self._size):
            self._free.get().end()

    def _run(self, task: dict[str, Any], data: bytes, seconds: float, most: int) -> np.ndarray:
        """Runs a task; returns the bytes of its answer, at most `most`."""
        until = time.monotonic() + seconds
        task = {**task, "cpu_seconds": self._cpu_seconds}
        for last in (False, True):
            try:
                decoder = self._free.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                raise DecoderTimeoutError from None
            try:
                head, body = decoder.run(task, data, until, most)
                break
            except _DiedError as died:
                decoder.end()
                with self._counting:
                    self.replaced += 1
                decoder = _Decoder()
                self._judge(died, len(data), last)
            finally:
                self._free.put(decoder)
        if "refused" in head:
            raise RefusedPhotoError(head["refused"])
        return body

    def _judge(self, died: "_DiedError", length: int, last: bool) -> None:
        """Returns if a photo is to be retried after its decoder died; raises otherwise."""
        if died.code == -signal.SIGXCPU:
            raise RefusedPhotoError(
                f"too costly: decoding takes more than {self._cpu_seconds:g} s of processor time"
            )
        if died.late:
            _LOG.warning("a decoder was ended: no result in time for a photo of %d bytes", length)
            raise DecoderTimeoutError
        _LOG.warning("a decoder ended with %s on a photo of %d bytes", _name(died.code), length)
        if died.code not in _FROM_OUTSIDE or last:
            raise RefusedPhotoError("not decodable: the decoder stopped working on it")


class _DiedError(Exception):
    """A decoder ended during a task.

    Attributes:
        code: Its exit code.
        late: Whether it was ended because the time was up.
    """

    def __init__(self, code: int, late: bool) -> None:
        self.code, self.late = code, late


class _Decoder:
    """A child process and the channel to it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs, process_pool.deaf_to_ctrl_c():
            self._process = subprocess.Popen(
                [*_CHILD, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env={
                    **os.environ,
                    # The child can import whatever the service can, wherever that was started.
                    "PYTHONPATH": os.pathsep.join(each for each in sys.path if each),
                    "OPENBLAS_NUM_THREADS": "1",
                },
            )
        self._channel = Channel(ours)
        self._ready = False

    def run(
        self, task: dict[str, Any], data: bytes, until: float, most: int
    ) -> tuple[dict[str, Any], np.ndarray]:
        """Sends a task and waits for its answer, JSON and uint8 (bytes,).

        Raises:
            _DiedError: If the process ends before it answers, or time is up; then it is ended.
            RuntimeError: If it does not start.
        """
        channel = self._channel
        try:
            if not self._ready:
                self._ready = channel.receive(len(READY), until).tobytes() == READY
            channel.send(json.dumps(task).encode(), until)
            channel.send(data, until)
            head = json.loads(channel.receive(_LONGEST_HEAD, until).tobytes())
            return head, channel.receive(most, until)
        except (EOFError, OSError) as failed:
            # Whatever state it is in, it cannot be used again.
            late = isinstance(failed, TimeoutError)
            if late:
                self._process.kill()
            code = self._ended()
            if not self._ready and code > 0:
                raise RuntimeError(f"a decoder does not start (exit code {code})") from None
            raise _DiedError(code, late) from None

    def _ended(self) -> int:
        """The exit code; a process that still runs is killed."""
        try:
            return self._process.wait(_LAST_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def end(self) -> None:
        """Ends the process if it still runs, and releases its resources."""
        self._channel.close()
        self._process.kill()
        self._process.wait()


def _name(code: int) -> str:
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"exit code {code}"
