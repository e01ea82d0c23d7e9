"""``python -m glrtf.serve``; see `glrtf.commands.serve`."""

import sys

from glrtf.commands.serve import main

if __name__ == "__main__":
    sys.exit(main())
