"""What joining the clouds costs, against the fakes of their APIs and real machines behind them; `make bench-clouds`.

Prints each figure beside its goal. `--only NAME` measures one group: launches, failover, fleets, machines, losses.
"""

from __future__ import annotations

import argparse
import asyncio
import pathlib
import signal
import sys
from collections.abc import Awaitable, Callable

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from benchmarks.clouds.failover import failover  # noqa: E402  the fakes live beside the tests
from benchmarks.clouds.figures import Figure  # noqa: E402
from benchmarks.clouds.fleets import fleets  # noqa: E402
from benchmarks.clouds.launches import launches  # noqa: E402
from benchmarks.clouds.losses import losses  # noqa: E402
from benchmarks.clouds.machines import machines  # noqa: E402

GROUPS: dict[str, Callable[[], Awaitable[list[Figure]]]] = {
    "launches": launches,
    "failover": failover,
    "fleets": fleets,
    "machines": machines,
    "losses": losses,
}


def main() -> int:
    """Print every figure with its goal; 1 when one is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=GROUPS, action="append")
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(143)
    )  # what was set up is taken down also when a time limit ends us
    missed = False
    for name in parser.parse_args().only or GROUPS:
        for figure in asyncio.run(GROUPS[name]()):
            print(figure.line(), flush=True)
            missed = missed or figure.missed
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
