"""Passing refusals are met again, a bounded number of times; others at once."""

from __future__ import annotations

import asyncio

import pytest

from tests.broker.scripted import ScriptedCloud
from tradewind.broker.provider import ProviderError
from tradewind.broker.provision import patience
from tradewind.broker.provision.patience import TRIES, patiently


def test_a_full_disk_of_this_computer_is_waited_for_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud, left, slept = ScriptedCloud(), [patience.ROOM_TRIES], []
    cloud.scopes["disk"] = ("capacity", "region")

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def call() -> str:
        if left[0]:
            left[0] -= 1
            raise ProviderError("local", "disk", "No space left on device")
        return "answer"

    async def scenario() -> None:
        assert await patiently(cloud, call, "asking") == "answer"
        left[0] = 1 << 30
        with pytest.raises(ProviderError, match="No space"):
            await patiently(cloud, call, "asking")

    monkeypatch.setattr(patience.asyncio, "sleep", sleep)
    asyncio.run(scenario())
    assert slept == [patience.ROOM_PAUSE_S] * 2 * patience.ROOM_TRIES


@pytest.mark.parametrize(
    ("kind", "failures", "calls"),
    [("transient", TRIES - 1, TRIES), ("throttle", TRIES, TRIES), ("capacity", 1, 1), ("transient", 0, 1)],
)
def test_so_often_it_is_asked(kind: str, failures: int, calls: int, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = ScriptedCloud()
    cloud.scopes["E"] = (kind, "zone")
    asked, slept = [], []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def call() -> str:
        asked.append(1)
        if len(asked) <= failures:
            raise ProviderError("local", "E", "not now")
        return "answer"

    async def scenario() -> None:
        if failures >= calls:
            with pytest.raises(ProviderError, match="not now"):
                await patiently(cloud, call, "asking")
        else:
            assert await patiently(cloud, call, "asking") == "answer"

    monkeypatch.setattr(patience.asyncio, "sleep", sleep)
    asyncio.run(scenario())
    assert len(asked) == calls
    assert len(slept) == calls - 1
    assert sum(slept) < 3
