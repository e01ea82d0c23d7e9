"""Messages between the service and a decoder, over a socket; every step may have a deadline."""

import socket
import struct
import time

import numpy as np
import numpy.typing as npt

_LENGTH = struct.Struct("!Q")


class Channel:
    """One end of a connected stream socket. A message is its length and its bytes.

    Args:
        connected: The socket; `close` closes it.
    """

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected

    def fileno(self) -> int:
        """The socket's file descriptor."""
        return self._socket.fileno()

    def send(self, message: bytes | memoryview, until: float | None = None) -> None:
        """Sends a message.

        Args:
            message: Its bytes, in one dimension.
            until: The latest end, by `time.monotonic`; None waits as long as it takes.

        Raises:
            TimeoutError: If the time is up.
            OSError: If the other side has closed.
        """
        content = memoryview(message)
        for part in (_LENGTH.pack(content.nbytes), content):
            self._limit(until)
            self._socket.sendall(part)

    def receive(self, most: int | None, until: float | None = None) -> npt.NDArray[np.uint8]:
        """Receives a message, uint8 (bytes,).

        Args:
            most: The largest number of bytes; None takes any.
            until: As for `send`.

        Raises:
            TimeoutError: If the time is up.
            EOFError: If the other side has closed.
            OSError: If the message is longer.
        """
        [length] = _LENGTH.unpack(self._read(_LENGTH.size, until).data)
        if most is not None and length > most:
            raise OSError(f"expected a message of at most {most} bytes, found {length}")
        return self._read(length, until)

    def close(self) -> None:
        """Closes the socket."""
        self._socket.close()

    def _read(self, length: int, until: float | None) -> npt.NDArray[np.uint8]:
        content = np.empty(length, np.uint8)
        rest = content.data
        while rest:
            self._limit(until)
            if not (taken := self._socket.recv_into(rest)):
                raise EOFError
            rest = rest[taken:]
        return content

    def _limit(self, until: float | None) -> None:
        left = None if until is None else until - time.monotonic()
        if left is not None and left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)
