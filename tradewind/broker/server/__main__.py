"""`python -m tradewind.broker.server --data-dir DIR`."""

import sys

from tradewind.broker.server.daemon import main

if __name__ == "__main__":
    sys.exit(main())
