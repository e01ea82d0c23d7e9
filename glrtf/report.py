"""``python -m glrtf.report``; see `glrtf.commands.report`."""

import sys

from glrtf.commands.report import main

if __name__ == "__main__":
    sys.exit(main())
