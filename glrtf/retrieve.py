"""``python -m glrtf.retrieve``; see `glrtf.commands.retrieve`."""

import sys

from glrtf.commands.retrieve import main

if __name__ == "__main__":
    sys.exit(main())
