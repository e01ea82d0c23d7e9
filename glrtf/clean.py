"""``python -m glrtf.clean``; see `glrtf.commands.clean`."""

import sys

from glrtf.commands.clean import main

if __name__ == "__main__":
    sys.exit(main())
