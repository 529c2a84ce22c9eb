"""The daemon's garbage collection: young objects as always, everything alive only now and then.

A full pass looks at every object of every job: at ten thousand jobs it takes two seconds, and by Python's own rule it comes every few seconds
while jobs come up. Nothing else moves meanwhile.
"""

from __future__ import annotations

import asyncio
import gc

YOUNG, MIDDLE, NEVER = 10_000, 20, 1_000_000_000
PASS_S = 600.0


def calm() -> None:
    """No full pass is made unless asked for; what is there now, modules and their like, is left out of those for good."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, NEVER)


async def now_and_then() -> None:
    """Run for ever: a full pass every PASS_S seconds, so that no circle of old objects stays for good."""
    while True:
        await asyncio.sleep(PASS_S)
        gc.collect()
