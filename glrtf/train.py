"""``python -m glrtf.train``; see `glrtf.commands.train`."""

import sys

from glrtf.commands.train import main

if __name__ == "__main__":
    sys.exit(main())
