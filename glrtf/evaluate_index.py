"""``python -m glrtf.evaluate_index``; see `glrtf.commands.evaluate_index`."""

import sys

from glrtf.commands.evaluate_index import main

if __name__ == "__main__":
    sys.exit(main())
