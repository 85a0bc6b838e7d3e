"""``python -m digits``: the launch module of the layer."""

import sys

from digits.cli import main

# Processes that are spawned import this module again, under another name.
if __name__ == "__main__":
    sys.exit(main())
