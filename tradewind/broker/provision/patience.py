"""Calls to a cloud that is only busy, or unwell for a moment, are made again before a place is given up for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tradewind.broker.provider import Provider, ProviderError
from tradewind.broker.provision.services import log

T = TypeVar("T")
TRIES = 3


async def patiently(provider: Provider, call: Callable[[], Awaitable[T]], what: str) -> T:
    """What `call` returns, asked for up to TRIES times within some two seconds while it fails in passing; `what` is for the log.

    Raises:
        ProviderError: the last refusal, or the first that is not in passing.
    """
    for attempt in range(1, TRIES + 1):
        try:
            return await call()
        except ProviderError as error:
            if provider.classify(error).kind not in {"transient", "throttle"} or attempt == TRIES:
                raise
            log.info("%s: %s; trying again", what, error)
            await asyncio.sleep(0.1 * 4**attempt)
    raise AssertionError("the last try returns or raises")
