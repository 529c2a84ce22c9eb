"""`tradewind runtime start|stop|status|list|why|stack|memory|timeline`: task/actor clusters on machines that one has already."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from tradewind.cli import exits, options, terminal
from tradewind.cli.errors import CliError
from tradewind.cli.lazy import SuggestingGroup
from tradewind.cli.output import print_json
from tradewind.cli.terminal import Column

if TYPE_CHECKING:
    from tradewind.runtime.messages.cluster import Row

_KINDS = ("tasks", "actors", "objects", "nodes", "workers", "groups")
_WHERE = click.option(
    "--address",
    default="",
    metavar="ADDRESS",
    help="host:port of a head, or unix:PATH of a node; default the newest here.",
)


@click.group(cls=SuggestingGroup)
def runtime() -> None:
    """Task/actor clusters of one's own: start one, join it, see what runs in it and why it waits."""


@runtime.command()
@click.option("--head", is_flag=True, help="Start a new cluster: its head, and a node on this machine.")
@click.option("--address", default="", metavar="HOST:PORT", help="Join the cluster of this head.")
@click.option("--credentials", default="", metavar="FILE", help="The cluster's credentials file, with --address.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address of this machine that others reach.")
@click.option("--port", default=0, help="The head's port; default a free one.")
@click.option("--num-cpus", type=float, default=None, help="Default: all.")
@click.option("--num-gpus", type=float, default=None, help="Default: none.")
@click.option("--resources", default="", metavar="JSON", help="Custom resources, e.g. '{\"fuel\": 4}'.")
@click.option("--labels", default="", metavar="K=V,...", help="What tasks may ask of the node by label_selector.")
@click.option("--object-store-memory", type=int, default=None, metavar="BYTES")
@options.as_json
def start(
    *,
    head: bool,
    address: str,
    credentials: str,
    host: str,
    port: int,
    num_cpus: float | None,
    num_gpus: float | None,
    resources: str,
    labels: str,
    object_store_memory: int | None,
    as_json: bool,
) -> int:
    """Start a cluster (--head), or a node that joins one (--address). Certificates and a token are made for it."""
    from tradewind.runtime import standing

    if head == bool(address):
        raise CliError("give either --head, to start a cluster, or --address HOST:PORT, to join one.", exits.BAD_INPUT)
    offer = standing.NodeOffer(
        standing.machine_resources(num_cpus, num_gpus, _amounts(resources)), _labels(labels), object_store_memory
    )
    if head:
        with _plain_errors():
            made = standing.start_cluster(host, port, offer)
    else:
        file = credentials or next(
            (known.credentials_file for known in standing.clusters() if known.head_address == address), ""
        )
        if not file:
            raise CliError(
                "give --credentials FILE: copy it from the machine where the head was started (`tradewind runtime status` names it).",
                exits.BAD_INPUT,
            )
        with _plain_errors():
            made = standing.join_cluster(address, file, host, offer)
    said = {"address": made.head_address, "credentials": made.credentials_file, "node": made.daemons[-1].address}
    if as_json:
        print_json(said)
        return exits.OK
    print(f"the cluster at {made.head_address} has a node on this machine.")
    print(f'  a driver joins it here with        runtime.init(address="{made.head_address}")')
    print(
        f"  another machine joins it with      tradewind runtime start --address {made.head_address} --credentials FILE"
    )
    print(f"  where FILE is a copy of            {made.credentials_file}")
    print(f"  it ends with                       tradewind runtime stop --address {made.head_address}")
    return exits.OK


def _amounts(text: str) -> dict[str, float]:
    """Custom resources that were given as JSON."""
    import msgspec

    try:
        return msgspec.json.decode(text, type=dict[str, float]) if text else {}
    except msgspec.DecodeError as error:
        raise CliError(
            f"--resources is {text!r}; it must be JSON with amounts by name, e.g. '{{\"fuel\": 4}}' ({error}).",
            exits.BAD_INPUT,
        ) from error


def _labels(text: str) -> dict[str, str]:
    """Labels that were given as k=v,k=v."""
    pairs = [part.partition("=") for part in text.split(",") if part]
    if not all(key.strip() and equals for key, equals, _ in pairs):
        raise CliError(f"--labels is {text!r}; it must be labels and values, e.g. zone=a,kind=spot.", exits.BAD_INPUT)
    return {key.strip(): value.strip() for key, _, value in pairs}


@runtime.command()
@click.option("--address", default="", metavar="HOST:PORT", help="Only this cluster; default all on this machine.")
def stop(*, address: str) -> int:
    """End this machine's part of clusters: with the head's machine, all of it."""
    from tradewind.runtime import standing

    with _plain_errors():
        known = [standing.find(address)] if address else standing.clusters()
    for cluster in known:
        count = standing.stop(cluster)
        print(f"the cluster at {cluster.head_address}: {count} processes of this machine are gone.")
    if not known:
        print("no cluster runs on this machine.")
    return exits.OK


@contextmanager
def _plain_errors() -> Iterator[None]:
    """The runtime's own errors end the command as a sentence."""
    from tradewind.runtime.exceptions import RayError

    try:
        yield
    except (RayError, ConnectionError) as error:
        raise CliError(str(error), exits.UNREACHABLE) from error


@contextmanager
def _joined(address: str) -> Iterator[None]:
    import os

    import tradewind.runtime as engine

    with _plain_errors():
        engine.init(address=address or os.environ.get("TRADEWIND_ADDRESS") or "auto", log_to_driver=False)
        try:
            yield
        finally:
            engine.shutdown()


def _rows(kind: str) -> list[Row]:
    from tradewind.runtime import session
    from tradewind.runtime.util import state

    me = session.process().address
    return [row for row in state.rows(kind) if row.process != me]


def _plain(rows: list[Row]) -> list[dict[str, Any]]:
    return [{name: getattr(row, name) for name in row.__struct_fields__} for row in rows]


def _called(row: Row) -> str:
    """A named actor's class and name, else what the row's thing is called."""
    return f"{row.name} {row.more['name']!r}" if row.more.get("name") else row.name


def _print_rows(rows: list[Row], *, as_json: bool) -> None:
    if as_json:
        print_json(_plain(rows))
        return
    if not rows:
        print("none.")
        return
    columns = [
        Column("ID", shrink=True),
        Column("STATE"),
        Column("NAME", shrink=True),
        Column("NODE"),
        Column("PID", "right"),
    ]
    cells = [[row.id, row.state or "-", _called(row) or "-", row.node[:8] or "-", str(row.pid or "-")] for row in rows]
    print(terminal.table(columns, cells, limit=terminal.width(), colour=terminal.colourful()))
    for row in rows:
        if row.why and row.state not in {"ALIVE", "CREATED", "IDLE"}:
            print(terminal.wrapped(f"{row.id}: {row.why}", indent=2, limit=terminal.width()))


@runtime.command()
@_WHERE
@options.as_json
def status(*, address: str, as_json: bool) -> int:
    """The nodes, what they have and what of it is free."""
    with _joined(address):
        nodes, memory = _rows("nodes"), _rows("memory")
    if as_json:
        print_json({"nodes": _plain(nodes), "memory": _plain(memory)})
        return exits.OK
    columns = [
        Column("NODE"),
        Column("HOST"),
        Column("HAS", shrink=True),
        Column("FREE", shrink=True),
        Column("WAITING", "right"),
    ]
    cells = [[row.id[:8], row.name, row.more["total"], row.more["free"], row.more["waiting"]] for row in nodes]
    print(terminal.table(columns, cells, limit=terminal.width(), colour=terminal.colourful()))
    return exits.OK


@runtime.command("list")
@click.argument("kind", type=click.Choice(_KINDS))
@_WHERE
@options.as_json
def list_(*, kind: str, address: str, as_json: bool) -> int:
    """Everything of a kind, with what each thing waits for."""
    with _joined(address):
        rows = _rows(kind)
    _print_rows(rows, as_json=as_json)
    return exits.OK


@runtime.command()
@click.argument("id_", metavar="ID")
@_WHERE
@options.as_json
def why(*, id_: str, address: str, as_json: bool) -> int:
    """What a task, actor, object or group waits for, who holds it, or how it died. ID may be its beginning, or a name."""
    with _joined(address):
        found = [
            row
            for kind in ("tasks", "actors", "groups", "objects", "workers")
            for row in _rows(kind)
            if row.id.startswith(id_) or id_ in {row.name, row.more.get("name")}
        ]
    if not found:
        raise CliError(f"nothing in the cluster is called {id_!r}; `tradewind runtime list tasks` shows what there is.")
    if as_json:
        print_json(_plain(found))
    else:
        for row in found:
            print(
                f"{row.kind} {row.id} {_called(row)} is {row.state}: {(row.why or 'it waits for nothing').rstrip('.')}."
            )
    return exits.OK


@runtime.command()
@_WHERE
@options.as_json
def stack(*, address: str, as_json: bool) -> int:
    """Where every thread of every driver and busy worker is just now."""
    with _joined(address):
        rows = _rows("stacks")
    if as_json:
        print_json(_plain(rows))
        return exits.OK
    for row in rows:
        print(f"{row.process} (pid {row.pid}) {row.name}: {row.why}\n{row.more.get('stack', '')}")
    return exits.OK


@runtime.command()
@_WHERE
@options.as_json
def memory(*, address: str, as_json: bool) -> int:
    """What each node's object store holds, in memory and on disk."""
    with _joined(address):
        rows = _rows("memory")
    if as_json:
        print_json(_plain(rows))
        return exits.OK
    names = ("used_bytes", "capacity_bytes", "objects", "spilled_objects", "spilled_bytes")
    columns = [Column("NODE"), *(Column(name.upper().replace("_", " "), "right") for name in names)]
    cells = [[row.id[:8], *(f"{int(row.more[name]):,}" for name in names)] for row in rows]
    print(terminal.table(columns, cells, limit=terminal.width(), colour=terminal.colourful()))
    return exits.OK


@runtime.command()
@click.argument("file", type=click.Path(dir_okay=False, writable=True), default="timeline.json")
@_WHERE
@options.as_json
def timeline(*, file: str, address: str, as_json: bool) -> int:
    """Write what ran where and when to FILE (default timeline.json), for chrome://tracing or ui.perfetto.dev."""
    import json

    import tradewind.runtime as engine

    with _joined(address):
        events = engine.timeline() or []
    if as_json:
        print_json(events)
        return exits.OK
    try:
        with open(file, "w") as out:
            json.dump(events, out)
    except OSError as error:
        raise CliError(f"the timeline cannot be written to {file}: {error.strerror}.", exits.BAD_INPUT) from error
    ran = sum(event["ph"] == "X" for event in events)
    print(f"{ran:,} calls are in {file}; open it with ui.perfetto.dev or chrome://tracing.")
    return exits.OK
