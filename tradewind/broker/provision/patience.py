"""Calls to a cloud that is only busy, or unwell for a moment, are made again before a place is given up for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tradewind.broker.provider import Provider, ProviderError
from tradewind.broker.provision.services import log

T = TypeVar("T")
TRIES = 3
# A full disk of this computer: every other place of a rehearsal would come to it too, so it is waited for.
NO_ROOM, ROOM_TRIES, ROOM_PAUSE_S = "disk", 30, 1.0


async def patiently(provider: Provider, call: Callable[[], Awaitable[T]], what: str) -> T:
    """What `call` returns, asked for up to TRIES times within some two seconds while it fails in passing, and for half a minute while this computer's
    disk is full; `what` is for the log.

    Raises:
        ProviderError: the last refusal, or the first that is not in passing.
    """
    room = ROOM_TRIES
    attempt = 1
    while True:
        try:
            return await call()
        except ProviderError as error:
            pause = 0.1 * 4**attempt
            if error.code == NO_ROOM and room:
                room, pause = room - 1, ROOM_PAUSE_S
            elif provider.classify(error).kind in {"transient", "throttle"} and attempt < TRIES:
                attempt += 1
            else:
                raise
            log.info("%s: %s; trying again", what, error)
        await asyncio.sleep(pause)
