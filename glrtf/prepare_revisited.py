"""``python -m glrtf.prepare_revisited``; see `glrtf.commands.prepare_revisited`."""

import sys

from glrtf.commands.prepare_revisited import main

if __name__ == "__main__":
    sys.exit(main())
