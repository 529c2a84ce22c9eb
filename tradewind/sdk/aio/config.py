"""A person's limits on an event loop: `await tw.aio.config.set("max_hourly_cost", 20)`."""

from __future__ import annotations

from tradewind.sdk import config
from tradewind.sdk.aio.threads import threaded

get = threaded(config.get)
set = threaded(config.set)  # noqa: A001  the command's name
unset = threaded(config.unset)

__all__ = ["get", "set", "unset"]
