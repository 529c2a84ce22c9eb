"""The daemon of this data directory: `tw.api.start`, `tw.api.stop`, `tw.api.status`."""

from __future__ import annotations

import msgspec

from tradewind.sdk.daemon import connect, end, running, told


class Daemon(msgspec.Struct, frozen=True):
    """A daemon that answers."""

    version: str
    pid: int
    data_dir: str
    started_unix: float


def start() -> Daemon:
    """The data directory's daemon is up. Calls that need it start it by themselves. Raises Unreachable."""
    client = connect(start=True)
    assert client is not None
    with told():
        return msgspec.convert(client.hello(), Daemon)


def status() -> Daemon | None:
    """The daemon that answers, None if none does; never starts one."""
    client = running()
    return None if client is None else msgspec.convert(client.hello(), Daemon)


def stop(*, when_idle: bool = False) -> bool:
    """No daemon runs (with `when_idle`: it will end once nothing is alive): whether one did. Clusters and jobs go on, and a later daemon finds them again.

    Raises:
        Unreachable: it does not stop.
    """
    with told():
        return end("idle" if when_idle else "now")


__all__ = ["Daemon", "start", "status", "stop"]
