"""Lets any number of tasks wait for "something has changed" without losing a change that comes between looking and waiting."""

from __future__ import annotations

import asyncio


class Signal:
    """A counter that can be waited on: remember `count`, look, then `wait(count)` returns at once if it has moved since."""

    def __init__(self) -> None:
        self.count = 0
        self._waiting: set[asyncio.Future[None]] = set()

    def notify(self) -> None:
        """Wake everyone who waits. To be called in the loop's thread."""
        self.count += 1
        waiting, self._waiting = self._waiting, set()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def wait(self, seen: int, timeout_s: float | None = None) -> bool:
        """True once the count differs from `seen`; False after `timeout_s` seconds."""
        if self.count != seen:
            return True
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            async with asyncio.timeout(
                timeout_s
            ):  # not wait_for: in 3.11 it may swallow a cancellation that comes with the change
                await future
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(future)
        return True
