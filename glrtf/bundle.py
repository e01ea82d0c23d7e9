"""``python -m glrtf.bundle``; see `glrtf.commands.bundle`."""

import sys

from glrtf.commands.bundle import main

if __name__ == "__main__":
    sys.exit(main())
