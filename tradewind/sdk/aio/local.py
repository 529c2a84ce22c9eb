"""Machines on this computer, on an event loop: `await tw.aio.local.up(3)`."""

from __future__ import annotations

from tradewind.sdk import local
from tradewind.sdk.aio.threads import threaded

up = threaded(local.up)
status = threaded(local.status)
down = threaded(local.down)

__all__ = ["down", "status", "up"]
