"""``python -m glrtf.export``; see `glrtf.commands.export`."""

import sys

from glrtf.commands.export import main

if __name__ == "__main__":
    sys.exit(main())
