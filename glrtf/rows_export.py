"""``python -m glrtf.rows_export``; see `glrtf.commands.rows_export`."""

import sys

from glrtf.commands.rows_export import main

if __name__ == "__main__":
    sys.exit(main())
