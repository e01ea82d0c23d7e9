"""`glrtf.service.decoder_child`, but some files' bytes are orders to die, spin or hang."""

import os
import signal
import sys
import time

from glrtf.service import decoder_child


def obey(data, **settings):
    if data.startswith(b"signal "):
        os.kill(os.getpid(), int(data.split()[1]))
    if data == b"spin":
        while True:
            pass
    if data == b"hang":
        time.sleep(600)
    if data.startswith(b"once ") and not os.path.exists(path := data.split()[1]):
        open(path, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return decoder_child.answer_inputs(data.rpartition(b" photo:")[2], **settings)


decoder_child.TASKS = {**decoder_child.TASKS, "inputs": obey}

if __name__ == "__main__":
    sys.exit(decoder_child.main())
