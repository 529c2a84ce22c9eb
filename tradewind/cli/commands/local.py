"""`tradewind local up|status|down`: machines on this computer, for `infra: local`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tradewind.cli import exits, options, terminal
from tradewind.cli.errors import CliError
from tradewind.cli.lazy import SuggestingGroup
from tradewind.cli.output import print_json
from tradewind.cli.terminal import Column

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tradewind.broker.clouds.local.isolation import Isolation
    from tradewind.broker.clouds.local.machines import Machine, Yard

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


def _yard() -> tuple[Yard, str]:
    from tradewind.broker.clouds.local.machines import Yard
    from tradewind.cli.daemon import data_dir

    return Yard(data_dir()), data_dir()


def _used(data_dir: str) -> Mapping[str, str]:
    """The machines that clusters are on -> the cluster's name."""
    from tradewind.broker.clouds.local.entry import make

    return make(data_dir).machines_used()


def _isolation(asked: str | None, data_dir: str) -> Isolation:
    """How the machines are held apart, and, on stderr, what they lack here. Raises CliError where what was asked for cannot be had."""
    import sys

    from tradewind.broker.clouds.local.entry import wanted_isolation
    from tradewind.broker.clouds.local.isolation import means

    wanted = asked or wanted_isolation(data_dir)
    here = means()
    if wanted == "namespaces" and here.no_namespaces:
        raise CliError(
            f"namespaces cannot be had here: {here.no_namespaces}; `--isolation processes` does without.", exits.FAILED
        )
    plain = wanted == "processes" or bool(here.no_namespaces)
    lacks = {
        "not held apart by namespaces, only processes with an address each": here.no_namespaces if plain else "",
        "without limits": here.no_limits,
        "without sshd, so `tradewind ssh` does not work": here.no_login,
    }
    for what, why in lacks.items():
        if why:
            print(f"tradewind: these machines are {what}: {why}.", file=sys.stderr)
    return "processes" if plain else "namespaces"


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
    from tradewind.broker.provider import ProviderError

    yard, where = _yard()
    try:
        way = _isolation(isolation, where)
        with yard.locked():
            yard.make_standing(count, way, vcpus=cpus, memory_gib=memory)
    except ProviderError as error:
        raise CliError(f"{error.message}.", exits.FAILED) from error
    return _show(yard, where, as_json=as_json)


@local.command()
@options.as_json
def status(*, as_json: bool) -> int:
    """The machines on this computer, and the cluster on each."""
    return _show(*_yard(), as_json=as_json)


@local.command()
@click.argument("names", nargs=-1, metavar="[MACHINE...]")
@click.option("--force", is_flag=True, help="Also those that clusters are on: they lose them as by a power cut.")
def down(names: tuple[str, ...], *, force: bool) -> int:
    """End machines on this computer; all of them if none is named. Nothing of them is left: processes, network, limits, files."""
    from tradewind.broker.provider import ProviderError

    yard, where = _yard()
    try:
        with yard.locked():
            there = [machine.name for machine in yard.machines()]
            if unknown := sorted(set(names) - set(there)):
                raise CliError(f"there is no machine {unknown[0]}; `tradewind local status` lists them.", exits.FAILED)
            ending = list(names) or there
            used = _used(where)
            held = [f"{used[name]} is on {name}" for name in ending if name in used]
            if held and not force:
                first = used[next(name for name in ending if name in used)]
                raise CliError(f"{', '.join(held)}; `tradewind down {first}` first, or `--force`.", exits.FAILED)
            for name in ending:
                yard.end(name)
            if not names:
                yard.sweep([])
                yard.sweep_abandoned()
    except ProviderError as error:
        raise CliError(f"{error.message}.", exits.FAILED) from error
    print(f"{', '.join(ending)}: gone." if ending else "No machine stands on this computer.")
    return exits.OK


def _show(yard: Yard, where: str, *, as_json: bool) -> int:
    used, machines = _used(where), yard.machines()
    states = {machine.name: "up" if yard.is_up(machine) else "ended" for machine in machines}
    if as_json:
        import msgspec

        extra = [{"state": states[m.name], "cluster": used.get(m.name, "")} for m in machines]
        print_json([msgspec.to_builtins(m) | more for m, more in zip(machines, extra, strict=True)])
        return exits.OK
    if not machines:
        print("No machine stands on this computer; `tradewind local up 3` makes three.")
        return exits.OK
    print(terminal.table(_COLUMNS, [_row(m, states[m.name], used) for m in machines], limit=terminal.width()))
    return exits.OK


def _row(machine: Machine, state: str, used: Mapping[str, str]) -> list[str]:
    address = machine.address if machine.port == 22 else f"{machine.address}:{machine.port}"
    figures = [f"{machine.vcpus:g}", f"{machine.memory_gib:g}"]
    return [machine.name, address, *figures, machine.isolation, state, used.get(machine.name, "-")]
