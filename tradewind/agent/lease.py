"""The instance's lease: the second at which, unrenewed, the agent ends its instance."""

from __future__ import annotations

import asyncio
import time

# As the guard of a machine's first boot has it: one that was stopped for longer than its lease has its first minutes to be given another.
START_GRACE_S = 600.0
_LOOK_AT_LEAST_EVERY_S = 30.0  # so that a clock that was set, or a machine that slept, is noticed


def at_start(known_unix: float, now_unix: float) -> float:
    """The second until which an agent that starts now waits, by what an earlier one knew: for START_GRACE_S where that is over."""
    return now_unix + START_GRACE_S if 0 < known_unix < now_unix else known_unix


class Lease:
    """`until_unix` 0 means that no lease was ever given: such an agent waits for its broker."""

    def __init__(self, until_unix: float = 0.0) -> None:
        self.until_unix = until_unix
        self._moved = asyncio.Event()

    def renew(self, until_unix: float) -> None:
        """Move it, also to an earlier second."""
        self.until_unix = until_unix
        self._moved.set()

    async def expired(self) -> None:
        """Return once the second has come."""
        while self.until_unix <= 0 or time.time() < self.until_unix:
            left = self.until_unix - time.time() if self.until_unix > 0 else _LOOK_AT_LEAST_EVERY_S
            self._moved.clear()
            try:
                async with asyncio.timeout(
                    min(left, _LOOK_AT_LEAST_EVERY_S)
                ):  # not wait_for: in 3.11 it may swallow a cancellation
                    await self._moved.wait()
            except TimeoutError:
                continue
