"""Drives calls on the running event loop; a call that is cancelled closes its connection at once."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from tradewind.sdk.aio import http
from tradewind.sdk.asking import Ask, Call, Get, Pause
from tradewind.sdk.blocking import MAX_FAILURES
from tradewind.sdk.daemon import connect, never_launched
from tradewind.sdk.errors import Unreachable
from tradewind.sdk.text import Lines

P = ParamSpec("P")
R = TypeVar("R")


def awaitable(operation: Callable[P, Call[R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """The operation as a coroutine function."""

    @functools.wraps(operation)
    async def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return await drive(operation(*args, **kwargs))

    return call


async def drive(call: Call[R]) -> R:
    """What the call returns, once all that it asks has been answered."""
    try:
        ask = next(call)
        while True:
            try:
                answer = await _answer(ask)
            except Exception as error:  # the call may have something to say about it
                ask = call.throw(error)
            else:
                ask = call.send(answer)
    except StopIteration as end:
        returned: R = end.value
        return returned


async def _reach(*, start: bool) -> bool:
    return await asyncio.to_thread(connect, start=start) is not None


async def _answer(ask: Ask) -> Any:
    if isinstance(ask, Pause):
        return await asyncio.sleep(ask.seconds)
    if isinstance(ask, Get):
        if not await _reach(start=False):
            if ask.collection:
                return []
            raise never_launched()
        return await http.request("GET", ask.path, None)
    if not await _reach(start=ask.starts):
        raise never_launched()
    return await http.request("POST", ask.path, ask.body)


async def lines(path_of: Call[str]) -> AsyncIterator[str]:
    """The lines of the stream at the path, as they come. A daemon that dies meanwhile is started again, and nothing is told twice."""
    path = await drive(path_of)
    cut, seen, failures = Lines(), 0, 0
    while True:
        await _reach(start=True)
        skip = seen
        try:
            async for chunk in http.stream(path):
                rest = chunk[skip:]
                skip = max(0, skip - len(chunk))
                if rest:
                    seen, failures = seen + len(rest), 0
                    for line in cut.feed(rest):
                        yield line
        except Unreachable:
            failures += 1
            if failures > MAX_FAILURES:
                raise
        else:
            for line in cut.feed(b"", last=True):
                yield line
            return
