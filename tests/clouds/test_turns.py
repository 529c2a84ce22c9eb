"""Turns come at once, then after pauses that grow, and end in the refusal that was agreed."""

from __future__ import annotations

import asyncio
import time

import pytest

from tradewind.broker.clouds import turns
from tradewind.broker.clouds.turns import Turns
from tradewind.broker.provider import ProviderError

LATE = ProviderError("sky", "TIME_OUT", "it took too long")


def test_pauses_grow_up_to_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(turns.asyncio, "sleep", sleep)

    async def scenario() -> None:
        count = 0
        async for _ in Turns(1.0, within_s=60, late=LATE, growth=2.0, longest_s=3.0):
            count += 1
            if count == 5:
                return

    asyncio.run(scenario())
    assert slept == [1.0, 2.0, 3.0, 3.0]


def test_the_end_is_a_refusal() -> None:
    async def scenario() -> None:
        async for _ in Turns(0.005, within_s=0.05, late=LATE):
            pass

    before = time.monotonic()
    with pytest.raises(ProviderError, match="too long"):
        asyncio.run(scenario())
    assert time.monotonic() - before >= 0.05
