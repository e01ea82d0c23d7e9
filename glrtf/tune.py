"""``python -m glrtf.tune``; see `glrtf.commands.tune`."""

import sys

from glrtf.commands.tune import main

if __name__ == "__main__":
    sys.exit(main())
