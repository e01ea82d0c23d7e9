"""``python -m glrtf.plan``; see `glrtf.commands.plan`."""

import sys

from glrtf.commands.plan import main

if __name__ == "__main__":
    sys.exit(main())
