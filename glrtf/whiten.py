"""``python -m glrtf.whiten``; see `glrtf.commands.whiten`."""

import sys

from glrtf.commands.whiten import main

if __name__ == "__main__":
    sys.exit(main())
