"""`tradewind api start|stop|status`: the daemon."""

from __future__ import annotations

import time

import click

from tradewind.cli import exits, options, terminal
from tradewind.cli.lazy import SuggestingGroup
from tradewind.cli.output import print_json


@click.group(cls=SuggestingGroup)
def api() -> None:
    """The daemon: start, stop, status. Commands that need it start it by themselves."""


@api.command()
def start() -> int:
    """Start the daemon of this data directory, if it is not up."""
    from tradewind.cli import daemon

    client = daemon.reach(start=True)
    hello = client.get("/v1/hello")
    print(f"the daemon is up (process {hello['pid']}, data in {hello['data_dir']}).")
    return exits.OK


@api.command()
@click.option("--when-idle", is_flag=True, help="Let it end what runs first.")
def stop(*, when_idle: bool) -> int:
    """Stop the daemon. Clusters go on running; a later daemon finds them again."""
    from tradewind.cli import daemon

    found = daemon.stop("idle" if when_idle else "now")
    print("the daemon is stopped." if found else "no daemon is running.")
    return exits.OK


@api.command()
@options.as_json
def status(*, as_json: bool) -> int:
    """Say whether the daemon is up; exit code 4 when it is not."""
    from tradewind.cli import daemon

    client = daemon.running()
    hello = client.get("/v1/hello") if client.up else None
    if as_json:
        print_json({"up": hello is not None, **(hello or {})})
    elif hello:
        since = terminal.duration(time.time() - float(hello["started_unix"]))
        said = f"up for {since}: version {hello['version']}, process {hello['pid']}, data in {hello['data_dir']}."
        for text in (said, *(f"attention: {remark}" for remark in hello["remarks"])):
            print(terminal.wrapped(text, limit=terminal.width()))
    else:
        print(f"no daemon is running for {daemon.data_dir()}.")
    return exits.OK if hello else exits.UNREACHABLE
