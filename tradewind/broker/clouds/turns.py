"""Asking a cloud again and again until it is done, within bounds."""

from __future__ import annotations

import asyncio
import math
import time

from tradewind.broker.provider import ProviderError


class Turns:
    """`async for _ in Turns(...)`: the first turn comes at once, each other after a pause; past `within_s` seconds `late` is raised.

    Pauses grow by `growth` up to `longest_s`, all in seconds.
    """

    def __init__(
        self,
        pause_s: float,
        *,
        within_s: float,
        late: ProviderError,
        growth: float = 1.0,
        longest_s: float = math.inf,
    ) -> None:
        self._pause_s, self._growth, self._longest_s = pause_s, growth, longest_s
        self._late, self._deadline = late, time.monotonic() + within_s
        self._begun = False

    def __aiter__(self) -> Turns:
        return self

    async def __anext__(self) -> None:
        """The next turn has come."""
        if not self._begun:
            self._begun = True
            return
        if time.monotonic() > self._deadline:
            raise self._late
        await asyncio.sleep(self._pause_s)
        self._pause_s = min(self._pause_s * self._growth, self._longest_s)
