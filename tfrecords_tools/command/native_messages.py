"""What native libraries write to the standard error past Python and past their own log settings."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def dropped(*beginnings: bytes) -> Iterator[None]:
    """Keeps lines off the screen; all other messages appear when the block ends.

    The whole process's standard error is held back meanwhile, so keep the block short.

    Args:
        *beginnings: How the lines start that are dropped.
    """
    sys.stderr.flush()
    screen = os.dup(2)
    with tempfile.TemporaryFile() as captured:
        os.dup2(captured.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(screen, 2)
            os.close(screen)
            captured.seek(0)
            for line in captured:
                if not line.startswith(beginnings):
                    os.write(2, line)
