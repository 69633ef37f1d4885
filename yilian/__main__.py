"""``python -m yilian``."""

import sys

from yilian.loading import loading

with loading():
    from yilian.cli import main

if __name__ == "__main__":
    sys.exit(main())
