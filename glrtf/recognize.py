"""``python -m glrtf.recognize``; see `glrtf.commands.recognize`."""

import sys

from glrtf.commands.recognize import main

if __name__ == "__main__":
    sys.exit(main())
