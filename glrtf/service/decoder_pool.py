"""Decoders in separate processes: one that dies or takes too long is replaced.

A decoder reads what strangers send. A crash in it, or a small file that costs minutes,
ends a child process and refuses one photo; the service lives on. A thread could not be
ended.
"""

import json
import logging
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from glrtf.service.decoder_child import READY, RefusedPhotoError
from tfrecords_tools.command import process_pool

_CHILD = (sys.executable, "-m", "glrtf.service.decoder_child")
_LOG = logging.getLogger("glrtf.service")
_LONGEST_HEAD, _LONGEST_THUMBNAIL = 10_000, 10_000_000
_LAST_SECONDS = 5.0
# These come from outside the process: the photo is not to blame.
_FROM_OUTSIDE = (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT)


class DecoderTimeoutError(Exception):
    """The decoder gave no result in time and was stopped."""


class DecoderPool:
    """Child processes that decode, each one photo at a time.

    Safe to use from many threads; a call waits until a decoder is free.

    Args:
        size: How many.
        cpu_seconds: Processor time a photo may take; rounded up to whole seconds.

    Attributes:
        replaced: How many decoders died or were ended.
    """

    def __init__(self, size: int, cpu_seconds: float) -> None:
        self._cpu_seconds = cpu_seconds
        self._free: queue.LifoQueue[_Decoder] = queue.LifoQueue()
        for _ in range(size):
            self._free.put(_Decoder())
        self._size = size
        self._counting = threading.Lock()
        self.replaced = 0

    def pixels(
        self,
        data: bytes,
        max_pixels: int,
        seconds: float,
        max_side: int | None = None,
        box: Sequence[float] | None = None,
    ) -> np.ndarray:
        """See `decoder_child.read_pixels`.

        Args:
            data: An image file's bytes.
            max_pixels: Photos with more are refused.
            seconds: How long it may take, waiting for a decoder included.
            max_side: Photos with a longer side are resized to it.
            box: The part that is wanted.

        Raises:
            RefusedPhotoError: If it is no photo to be taken, kills its decoder, or needs
                more processor time than allowed.
            DecoderTimeoutError: If the time is up.
        """
        task = {"task": "pixels", "max_pixels": max_pixels, "max_side": max_side, "box": box}
        head, body = self._run(task, data, seconds, 3 * max_pixels)
        return body.reshape(head["shape"])

    def thumbnail(self, data: bytes, side: int, seconds: float) -> bytes:
        """See `glrtf.photos.thumbnails.thumbnail`; arguments and errors as for `pixels`."""
        task = {"task": "thumbnail", "side": side}
        return self._run(task, data, seconds, _LONGEST_THUMBNAIL)[1].tobytes()

    def close(self) -> None:
        """Stops the decoders; busy ones once they are done."""
        for _ in range(self._size):
            self._free.get().end()

    def _run(
        self, task: dict[str, Any], data: bytes, seconds: float, most: int
    ) -> tuple[dict[str, Any], np.ndarray]:
        """A task's answer, of at most that many bytes."""
        until = time.monotonic() + seconds
        task = {**task, "cpu_seconds": self._cpu_seconds}
        for last in (False, True):
            try:
                decoder = self._free.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                raise DecoderTimeoutError from None
            try:
                head, body = decoder.run(task, data, until - time.monotonic(), most)
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
        return head, body

    def _judge(self, died: "_DiedError", length: int, last: bool) -> None:
        """Decides whether a photo is retried after its decoder died; raises if not."""
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
    """A decoder ended in the middle of a task.

    Attributes:
        code: Its exit code.
        late: Whether it was ended because the time was up.
    """

    def __init__(self, code: int, late: bool) -> None:
        self.code, self.late = code, late


class _Decoder:
    """One child process and the way to it."""

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
                    # What the service imports the child can import, wherever it was started.
                    "PYTHONPATH": os.pathsep.join(each for each in sys.path if each),
                    "OPENBLAS_NUM_THREADS": "1",
                },
            )
        self._connection = Connection(ours.detach())
        self._ready = False

    def run(
        self, task: dict[str, Any], data: bytes, seconds: float, most: int
    ) -> tuple[dict[str, Any], np.ndarray]:
        """Sends a task and waits for its answer, JSON and uint8 (bytes,).

        Raises:
            _DiedError: If the process ends before it has answered, or is ended as time is up.
            RuntimeError: If it does not even start.
        """
        late = threading.Event()

        def end() -> None:
            late.set()
            self._process.kill()

        watch = threading.Timer(max(0.0, seconds), end)
        watch.daemon = True
        watch.start()
        try:
            if not self._ready:
                self._ready = self._connection.recv_bytes(64) == READY
            self._connection.send_bytes(json.dumps(task).encode())
            self._connection.send_bytes(data)
            head = json.loads(self._connection.recv_bytes(_LONGEST_HEAD))
            if not 0 <= head["length"] <= most:
                raise OSError("an answer of an unexpected length")
            return head, self._read(head["length"])
        except (EOFError, OSError):
            # Whatever it still does, it is of no use any more.
            watch.cancel()
            code = self._ended()
            if not self._ready and code > 0:
                raise RuntimeError(f"a decoder does not start (exit code {code})") from None
            raise _DiedError(code, late.is_set()) from None
        finally:
            watch.cancel()

    def _ended(self) -> int:
        """The exit code; a process that only stopped answering is killed."""
        try:
            return self._process.wait(_LAST_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _read(self, length: int) -> np.ndarray:
        body = np.empty(length, np.uint8)
        rest = body.data
        while rest:
            if not (taken := os.readv(self._connection.fileno(), [rest])):
                raise EOFError
            rest = rest[taken:]
        return body

    def end(self) -> None:
        """Ends the process if it is still alive, and releases it."""
        self._connection.close()
        self._process.kill()
        self._process.wait()


def _name(code: int) -> str:
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"exit code {code}"
