"""The process that inspects images for `tfrecords_tools.inspect_apart`.

Run as ``python -m tfrecords_tools.inspect_child FD``. A task is two messages, JSON and a
file's bytes; so is its answer.
"""

import contextlib
import json
import resource
import sys
from multiprocessing.connection import Connection

from tfrecords_tools import images
from tfrecords_tools.images import ImageSettings


def answer(connection: Connection) -> None:
    """Inspects images until the other side closes.

    Args:
        connection: Gives the fields of `ImageSettings` and bytes; takes the fields of
            `Inspected` without ``encoded``, and these bytes, which are empty if they
            are those that came (``same``).
    """
    while True:
        settings = ImageSettings(**json.loads(connection.recv_bytes()))
        data = connection.recv_bytes()
        found = images.inspect(data, settings)
        same = found.encoded is data
        about = {
            "fate": found.fate,
            "reason": found.reason,
            "width": found.width,
            "height": found.height,
            "same": same,
        }
        connection.send_bytes(json.dumps(about).encode())
        connection.send_bytes(b"" if same else found.encoded)


def main() -> int:
    """Answers on the file descriptor that the command line names."""
    # A decoder that crashes leaves no core file behind.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        answer(Connection(int(sys.argv[1])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
