"""Which daemon is asked, and its refusals as errors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from tradewind.broker.server.client import ApiError, DaemonClient, DaemonUnreachable
from tradewind.sdk.directory import data_dir
from tradewind.sdk.errors import NotFound, Unreachable, refusal

__all__ = ["connect", "data_dir", "end", "find", "never_launched", "running", "told"]


def find(*, start: bool) -> DaemonClient | None:
    """The data directory's daemon, started if need be; with `start` False None where nothing was ever launched. Raises DaemonUnreachable."""
    directory = data_dir()
    if not start and not (os.path.isdir(directory) and os.listdir(directory)):
        return None
    return DaemonClient.connect(directory)


def running() -> DaemonClient | None:
    """The data directory's daemon if one answers; none is ever started."""
    try:
        return DaemonClient.connect(data_dir(), start=False)
    except DaemonUnreachable:
        return None


def end(when: str = "now") -> bool:
    """No daemon runs (with `when` "idle": it will end once nothing is alive): whether one did. Raises DaemonUnreachable."""
    client = running()
    if client is None:
        return False
    if when == "now":
        client.stop()
    else:
        client.post("/v1/shutdown", {"when": when})
    return True


def connect(*, start: bool) -> DaemonClient | None:
    """As `find`. Raises Unreachable: none answers and none could be started."""
    with told():
        return find(start=start)


def never_launched() -> NotFound:
    """The refusal of any name where nothing was ever launched."""
    return NotFound(f"nothing was ever launched from {data_dir()}, so there is nothing of that name", "not_found")


@contextmanager
def told() -> Iterator[None]:
    """Turn the client's errors into this room's."""
    try:
        yield
    except ApiError as error:
        raise refusal(error.message, error.kind, error.hint) from error
    except DaemonUnreachable as error:
        raise Unreachable(str(error)) from error
