"""Calls for many names: how many at once, and who was refused."""

from __future__ import annotations

import asyncio

import pytest

from tradewind.broker.clouds.some_at_a_time import refusals
from tradewind.broker.provider import ProviderError


def test_each_is_called_a_few_at_once_and_the_refused_are_named() -> None:
    under_way, most, called = 0, 0, []

    async def call(name: str) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        called.append(name)
        await asyncio.sleep(0)
        under_way -= 1
        if name in {"3", "17"}:
            raise ProviderError("aws", "OperationNotPermitted", f"{name} is protected")

    names = [str(number) for number in range(20)]
    refused = asyncio.run(refusals(call, names, at_once=4))
    assert most == 4
    assert sorted(called) == sorted(names)
    assert {name: error.message for name, error in refused.items()} == {
        "3": "3 is protected",
        "17": "17 is protected",
    }


def test_what_is_no_refusal_is_raised_once_all_have_ended() -> None:
    ended = []

    async def call(name: str) -> None:
        if name == "bad":
            raise ValueError(name)
        await asyncio.sleep(0)
        ended.append(name)

    with pytest.raises(ValueError, match="bad"):
        asyncio.run(refusals(call, ["bad", "one", "two"]))
    assert ended == ["one", "two"]
