"""``python -m tfrecords_tools.sample``; see `tfrecords_tools.sample.draw`."""

import sys

from tfrecords_tools.sample.draw import main

if __name__ == "__main__":
    sys.exit(main())
