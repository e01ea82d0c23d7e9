"""``python -m glrtf.index_add``; see `glrtf.commands.index_add`."""

import sys

from glrtf.commands.index_add import main

if __name__ == "__main__":
    sys.exit(main())
