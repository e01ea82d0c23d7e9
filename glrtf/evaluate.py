"""``python -m glrtf.evaluate``; see `glrtf.commands.evaluate`."""

import sys

from glrtf.commands.evaluate import main

if __name__ == "__main__":
    sys.exit(main())
