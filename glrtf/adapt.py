"""``python -m glrtf.adapt``; see `glrtf.commands.adapt`."""

import sys

from glrtf.commands.adapt import main

if __name__ == "__main__":
    sys.exit(main())
