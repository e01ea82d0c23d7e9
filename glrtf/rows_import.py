"""``python -m glrtf.rows_import``; see `glrtf.commands.rows_import`."""

import sys

from glrtf.commands.rows_import import main

if __name__ == "__main__":
    sys.exit(main())
