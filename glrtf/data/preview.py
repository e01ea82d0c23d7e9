"""``python -m glrtf.data.preview``; see `glrtf.commands.preview`."""

import sys

from glrtf.commands.preview import main

if __name__ == "__main__":
    sys.exit(main())
