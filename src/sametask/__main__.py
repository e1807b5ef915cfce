"""``python -m sametask`` is ``sametask``."""

import sys

from sametask.cli import main

if __name__ == "__main__":
    sys.exit(main())
