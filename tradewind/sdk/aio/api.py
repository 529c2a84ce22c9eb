"""The daemon of this data directory, on an event loop: `await tw.aio.api.start()`."""

from __future__ import annotations

from tradewind.sdk import service
from tradewind.sdk.aio.threads import threaded

start = threaded(service.start)
status = threaded(service.status)
stop = threaded(service.stop)

__all__ = ["start", "status", "stop"]
