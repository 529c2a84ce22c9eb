"""Drives calls in the calling thread."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar

from tradewind.broker.server.client import DaemonClient
from tradewind.sdk.asking import Ask, Call, Get, Pause
from tradewind.sdk.daemon import connect, never_launched, told
from tradewind.sdk.errors import Unreachable
from tradewind.sdk.text import Lines

P = ParamSpec("P")
R = TypeVar("R")
MAX_FAILURES = 3  # of the daemon in a row, without a byte between them


def blocking(operation: Callable[P, Call[R]]) -> Callable[P, R]:
    """The operation as a plain function that returns when it is done."""

    @functools.wraps(operation)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return drive(operation(*args, **kwargs))

    return call


def drive(call: Call[R]) -> R:
    """What the call returns, once all that it asks has been answered."""
    desk = _Desk()
    try:
        ask = next(call)
        while True:
            try:
                answer = desk.answer(ask)
            except Exception as error:  # the call may have something to say about it
                ask = call.throw(error)
            else:
                ask = call.send(answer)
    except StopIteration as end:
        returned: R = end.value
        return returned


class _Desk:
    """One call's connection: made when it is first needed."""

    def __init__(self) -> None:
        self._client: DaemonClient | None = None

    def answer(self, ask: Ask) -> Any:
        if isinstance(ask, Pause):
            time.sleep(ask.seconds)
            return None
        if isinstance(ask, Get):
            if not self._reach(start=False):
                if ask.collection:
                    return []
                raise never_launched()
            try:
                return self._get(ask.path)
            except Unreachable:  # it may have been replaced meanwhile, and asking twice changes nothing
                self._client = None
                self._reach(start=False)
                return self._get(ask.path)
        if not self._reach(start=ask.starts):
            raise never_launched()
        assert self._client is not None
        with told():
            return self._client.post(ask.path, ask.body, timeout_s=None)

    def _reach(self, *, start: bool) -> bool:
        self._client = self._client or connect(start=start)
        return self._client is not None

    def _get(self, path: str) -> Any:
        assert self._client is not None
        with told():
            return self._client.get(path)


def lines(path_of: Call[str]) -> Iterator[str]:
    """The lines of the stream at the path, as they come. A daemon that dies meanwhile is started again, and nothing is told twice.

    Raises:
        Unreachable: it dies again and again without telling anything new.
    """
    path = drive(path_of)
    cut, seen, failures = Lines(), 0, 0
    while True:
        client = connect(start=True)
        assert client is not None
        skip = seen
        try:
            with told():
                for chunk in client.stream(path):
                    rest = chunk[skip:]
                    skip = max(0, skip - len(chunk))
                    if rest:
                        seen, failures = seen + len(rest), 0
                        yield from cut.feed(rest)
        except Unreachable:
            failures += 1
            if failures > MAX_FAILURES:
                raise
        else:
            yield from cut.feed(b"", last=True)
            return
