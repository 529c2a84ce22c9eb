"""Hearing from the cloud that it is about to take this machine, by its metadata service."""

from __future__ import annotations

import asyncio
import http.client
import importlib
import re
import time
from collections.abc import Callable, Mapping
from typing import cast
from urllib.parse import urlsplit

from tradewind.agent.errors import RefusalError
from tradewind.agent.own_log import note
from tradewind.agent.protocol import WatchNotices

Parser = Callable[[int, bytes, float], float | None]

# The broker sends the name of a function that its own clouds bring; nothing else is ever looked up.
_PARSER = re.compile(r"(tradewind\.broker\.clouds\.[a-z_]+\.notices):([a-z_]+)\Z")
_FETCH_TIMEOUT_S = 2.0
_MAX_ANSWER_BYTES = 1 << 20


class NoticeWatch:
    """At most one source is asked at a time. `told(source, seconds_left)` is called once for each announcement."""

    def __init__(self, told: Callable[[WatchNotices, float], object]) -> None:
        self._told = told
        self._task: asyncio.Task[None] | None = None
        self._source: WatchNotices | None = None

    async def watch(self, source: WatchNotices) -> None:
        """Ask this source from now on; the same one again changes nothing. Raises RefusalError for a parser that is not there."""
        if source == self._source and self._task is not None and not self._task.done():
            return
        parser = _load(source.parser)
        await self.stop()
        self._source = source
        self._task = asyncio.create_task(self._ask(source, parser), name="notices")

    async def stop(self) -> None:
        """Ask no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def _ask(self, source: WatchNotices, parser: Parser) -> None:
        announced = False
        while True:
            left = await asyncio.to_thread(seconds_left, source, parser)
            if left is not None and not announced:
                self._told(source, left)
            announced = left is not None
            await asyncio.sleep(source.interval_s)


def seconds_left(source: WatchNotices, parser: Parser) -> float | None:
    """The least that any of the source's addresses says, None while none says anything or none can be reached. Blocks."""
    said: list[float] = []
    try:
        headers = dict(source.headers)
        if source.token_url:
            status, token = _fetch("PUT", source.token_url, source.token_request_headers)
            if status == http.client.OK:
                headers[source.token_header] = token.decode("ascii", "replace").strip()
        for url in source.urls:
            status, body = _fetch("GET", url, headers)
            left = parser(status, body, time.time())
            if left is not None:
                said.append(left)
    except (OSError, http.client.HTTPException):
        pass  # a service that does not answer has announced nothing
    except Exception as error:  # a parser that fails must not end the watch
        note(f"the notice of {source.parser} could not be read: {error!r}")
    return min(said, default=None)


def _fetch(method: str, url: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
    """Without any proxy: a metadata service is reached directly or not at all."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=_FETCH_TIMEOUT_S)
    try:
        connection.request(
            method, f"{parts.path}?{parts.query}" if parts.query else parts.path or "/", headers=dict(headers)
        )
        answer = connection.getresponse()
        return answer.status, answer.read(_MAX_ANSWER_BYTES)
    finally:
        connection.close()


def _load(name: str) -> Parser:
    match = _PARSER.match(name)
    if match is None:
        raise RefusalError(
            f"{name!r} names no parser of notices: tradewind.broker.clouds.<cloud>.notices:<function> does"
        )
    try:
        return cast("Parser", getattr(importlib.import_module(match[1]), match[2]))
    except (ImportError, AttributeError) as error:
        raise RefusalError(f"this agent has no parser of notices {name}: {error}") from error
