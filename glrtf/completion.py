"""``python -m glrtf.completion``; see `glrtf.commands.completion`."""

import sys

from glrtf.commands.completion import main

if __name__ == "__main__":
    sys.exit(main())
