"""``python -m glrtf.prepare_benchmark``; see `glrtf.commands.prepare_benchmark`."""

import sys

from glrtf.commands.prepare_benchmark import main

if __name__ == "__main__":
    sys.exit(main())
