"""``python -m glrtf.index_compact``; see `glrtf.commands.index_compact`."""

import sys

from glrtf.commands.index_compact import main

if __name__ == "__main__":
    sys.exit(main())
