"""``python -m glrtf.demo``; see `glrtf.commands.demo`."""

import sys

from glrtf.commands.demo import main

if __name__ == "__main__":
    sys.exit(main())
