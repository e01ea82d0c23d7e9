"""``python -m glrtf.embed``; see `glrtf.commands.embed`."""

import sys

from glrtf.commands.embed import main

if __name__ == "__main__":
    sys.exit(main())
