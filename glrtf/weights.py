"""``python -m glrtf.weights``; see `glrtf.commands.weights`."""

import sys

from glrtf.commands.weights import main

if __name__ == "__main__":
    sys.exit(main())
