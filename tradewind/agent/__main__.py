"""`python -P -m tradewind.agent --home DIR`: the agent of the instance whose home that is."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys

from tradewind.agent.server import serve
from tradewind.agent.state import AlreadyServedError

EXIT_ALREADY_SERVED = 3


def main() -> int:
    """Serve until the instance ends; 0 then, 3 when another agent serves that home."""
    parser = argparse.ArgumentParser(
        prog="tradewind.agent", description="Carry out a broker's orders on this instance."
    )
    parser.add_argument("--home", default=os.path.expanduser("~"), help="the instance's home directory")
    parser.add_argument(
        "--instance-id", default=os.environ.get("TRADEWIND_INSTANCE", ""), help="the broker's name for it"
    )
    arguments = parser.parse_args()
    try:
        asyncio.run(serve(os.path.realpath(arguments.home), arguments.instance_id))
    except AlreadyServedError as error:
        print(error, file=sys.stderr)
        return EXIT_ALREADY_SERVED
    return 0


if __name__ == "__main__":
    sys.exit(main())
