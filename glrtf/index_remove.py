"""``python -m glrtf.index_remove``; see `glrtf.commands.index_remove`."""

import sys

from glrtf.commands.index_remove import main

if __name__ == "__main__":
    sys.exit(main())
