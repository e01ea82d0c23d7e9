"""``python -m glrtf.search``; see `glrtf.commands.search`."""

import sys

from glrtf.commands.search import main

if __name__ == "__main__":
    sys.exit(main())
