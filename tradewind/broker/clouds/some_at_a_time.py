"""The same call for many names: a few of them at once, and what was refused by name."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from tradewind.broker.provider import ProviderError

AT_ONCE = 16


async def refusals(
    call: Callable[[str], Awaitable[object]], names: Iterable[str], *, at_once: int = AT_ONCE
) -> dict[str, ProviderError]:
    """The call was made for every name, `at_once` at a time; what was refused, by name. Anything else that was raised is, once all have ended."""
    turns = asyncio.Semaphore(at_once)

    async def turn(name: str) -> None:
        async with turns:
            await call(name)

    asked = list(names)
    ended = await asyncio.gather(*map(turn, asked), return_exceptions=True)
    refused: dict[str, ProviderError] = {}
    for name, outcome in zip(asked, ended, strict=True):
        if isinstance(outcome, ProviderError):
            refused[name] = outcome
        elif isinstance(outcome, BaseException):
            raise outcome
    return refused
