"""``python -m glrtf.describe``; see `glrtf.commands.describe`."""

import sys

from glrtf.commands.describe import main

if __name__ == "__main__":
    sys.exit(main())
