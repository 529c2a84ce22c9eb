"""`tradewind local up|status|down`: machines on this computer, for `infra: local`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from tradewind.cli import exits, options, terminal
from tradewind.cli.lazy import SuggestingGroup
from tradewind.cli.output import print_json
from tradewind.cli.terminal import Column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewind.sdk.local import LocalMachine

_COLUMNS = (
    Column("NAME"),
    Column("ADDRESS"),
    Column("CPUS", "right"),
    Column("GIB", "right"),
    Column("ISOLATION"),
    Column("STATE"),
    Column("CLUSTER", shrink=True),
)


@click.group(cls=SuggestingGroup)
def local() -> None:
    """Machines on this computer, each with an address, an sshd and a share of its own; `infra: local` runs on them while they stand."""


@local.command()
@click.argument("count", type=click.IntRange(1, 200), default=1)
@click.option(
    "--cpus", type=click.FloatRange(min=0.01), help="Processors of each; as many as this computer has if not given."
)
@click.option("--memory", type=click.FloatRange(min=0.03), help="GiB of each; an even share if not given.")
@click.option(
    "--isolation",
    type=click.Choice(["auto", "namespaces", "processes"]),
    help="How they are held apart; `local: {isolation: ...}` in clouds.yaml if not given, else the strongest that works.",
)
@options.as_json
def up(count: int, *, cpus: float | None, memory: float | None, isolation: str | None, as_json: bool) -> int:
    """Make machines on this computer until COUNT stand. They stand until `local down`, or until this computer is restarted."""
    from tradewind.cli.progress import waiting
    from tradewind.sdk import local as machines

    way = machines.way(isolation)  # type: ignore[arg-type]  # click chose one of them
    for sentence in way.lacks:
        print(f"tradewind: {sentence}.", file=sys.stderr)
    with waiting("making machines"):
        made = machines.up(count, cpus=cpus, memory=memory, isolation=way.isolation)
    return _show(made, as_json=as_json)


@local.command()
@options.as_json
def status(*, as_json: bool) -> int:
    """The machines on this computer, and the cluster on each."""
    from tradewind.sdk import local as machines

    return _show(machines.status(), as_json=as_json)


@local.command()
@click.argument("names", nargs=-1, metavar="[MACHINE...]")
@click.option("--force", is_flag=True, help="Also those that clusters are on: they lose them as by a power cut.")
def down(names: tuple[str, ...], *, force: bool) -> int:
    """End machines on this computer; all of them if none is named. Nothing of them is left: processes, network, limits, files."""
    from tradewind.sdk import local as machines

    ended = machines.down(*names, force=force)
    print(f"{', '.join(ended)}: gone." if ended else "No machine stands on this computer.")
    return exits.OK


def _show(found: Sequence[LocalMachine], *, as_json: bool) -> int:
    if as_json:
        import msgspec

        print_json([msgspec.to_builtins(m.machine) | {"state": m.state, "cluster": m.cluster} for m in found])
        return exits.OK
    if not found:
        print("No machine stands on this computer; `tradewind local up 3` makes three.")
        return exits.OK
    print(terminal.table(_COLUMNS, [_row(m) for m in found], limit=terminal.width()))
    return exits.OK


def _row(found: LocalMachine) -> list[str]:
    machine = found.machine
    address = machine.address if machine.port == 22 else f"{machine.address}:{machine.port}"
    figures = [f"{machine.vcpus:g}", f"{machine.memory_gib:g}"]
    return [machine.name, address, *figures, machine.isolation, found.state, found.cluster or "-"]
