"""`images.inspect` in a child process, which a decoder in C may crash.

One child is started for each thread that inspects at the same time, and reused. If it dies, the
image that it was decoding is known.
"""

import atexit
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from multiprocessing.connection import Connection

from tfrecords_tools import images
from tfrecords_tools.errors import UserError
from tfrecords_tools.images import ImageSettings, Inspected

FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Sent by the system when memory is short, or by a user: not the image's fault."""

_MODULE = "tfrecords_tools.inspect_child"
_free: "list[_Child]" = []
_lock = threading.Lock()


def inspect(data: bytes, settings: ImageSettings, name: str) -> Inspected:
    """As `images.inspect`, but this process survives a crash of the decoder.

    Args:
        data: An image file's bytes.
        settings: What images must be like.
        name: The image's name in messages.

    Returns:
        What `images.inspect` returns; an image that ends its decoder is rejected.

    Raises:
        UserError: If the child is killed from outside twice on this image.
    """
    for _ in range(2):
        with _lock:
            child = _free.pop() if _free else None
        child = child or _Child()
        try:
            found = child.inspect(data, settings)
        except (EOFError, BrokenPipeError, ConnectionResetError):
            code = child.end()
            if code > 0:
                raise RuntimeError(f"{name}: the decoder ended with exit code {code}") from None
            if -code not in FROM_OUTSIDE:
                reason = died_of(-code)
                print(f"{name}: {reason}; rejected, the rest continues", file=sys.stderr)
                return Inspected(images.REJECTED, reason)
        except BaseException:
            # The pending answer would be mistaken for the next image's.
            child.end()
            raise
        else:
            with _lock:
                _free.append(child)
            return found
    raise UserError(
        f"{name}: its decoder was killed twice, perhaps because memory is short; run the same "
        "command again to resume"
    )


def died_of(number: int) -> str:
    """The reason for rejecting an image whose decoder was ended by a signal."""
    try:
        return f"ends the decoder ({signal.Signals(number).name})"
    except ValueError:
        return f"ends the decoder (signal {number})"


def close() -> None:
    """Stops the idle children."""
    with _lock:
        children, _free[:] = list(_free), []
    for child in children:
        child.end()


class _Child:
    """One child process and the connection to it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", _MODULE, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                # The child can import whatever this process can, wherever it was started.
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                # The parent handles Ctrl-C; the child ends with its connection.
                start_new_session=True,
            )
        self._connection = Connection(ours.detach())

    def inspect(self, data: bytes, settings: ImageSettings) -> Inspected:
        """Sends one image and waits for the answer."""
        self._connection.send_bytes(json.dumps(dataclasses.asdict(settings)).encode())
        self._connection.send_bytes(data)
        about = json.loads(self._connection.recv_bytes())
        encoded = self._connection.recv_bytes()
        return Inspected(encoded=data if about.pop("same") else encoded, **about)

    def end(self) -> int:
        """Stops the process if it is running, and returns its exit code."""
        self._connection.close()
        try:
            # One that died by itself is not killed, so that its own exit code is seen.
            return self._process.wait(timeout=_LAST_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


_LAST_SECONDS = 5.0
atexit.register(close)
# A forked process must not use the parent's children.
os.register_at_fork(after_in_child=_free.clear)
