"""``python -m glrtf.ablate``; see `glrtf.commands.ablate`."""

import sys

from glrtf.commands.ablate import main

if __name__ == "__main__":
    sys.exit(main())
