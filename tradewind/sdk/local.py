"""Machines on this computer, for `infra: local`: `tw.local.up`, `tw.local.status`, `tw.local.down`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import msgspec

from tradewind.broker.clouds.local import entry
from tradewind.broker.clouds.local.isolation import Isolation, Wanted, means
from tradewind.broker.clouds.local.machines import Machine, Yard
from tradewind.broker.provider import ProviderError
from tradewind.sdk.directory import data_dir
from tradewind.sdk.errors import NotFound, Refused


class LocalMachine(msgspec.Struct, frozen=True):
    """A machine that stands: `state` is "up" or "ended", `cluster` the one that is on it ("" for none)."""

    machine: Machine
    state: str
    cluster: str


class Way(NamedTuple):
    """How machines here are held apart, and what they lack, a sentence each."""

    isolation: Isolation
    lacks: tuple[str, ...]


def way(wanted: Wanted | None = None) -> Way:
    """The strongest way that works here, or the one that is wanted (None: what the settings say).

    Raises:
        Refused: namespaces are wanted and cannot be had.
    """
    with _told():
        asked = wanted or entry.wanted_isolation(data_dir())
    here = means()
    if asked == "namespaces" and here.no_namespaces:
        raise Refused(
            f"namespaces cannot be had here: {here.no_namespaces}", "state", "`--isolation processes` does without"
        )
    plain = asked == "processes" or bool(here.no_namespaces)
    lacks = {
        "not held apart by namespaces, only processes with an address each": here.no_namespaces if plain else "",
        "without limits": here.no_limits,
        "without sshd, so `tradewind ssh` does not work": here.no_login,
    }
    sentences = tuple(f"these machines are {what}: {why}" for what, why in lacks.items() if why)
    return Way("processes" if plain else "namespaces", sentences)


def up(
    count: int = 1, *, cpus: float | None = None, memory: float | None = None, isolation: Wanted | None = None
) -> tuple[LocalMachine, ...]:
    """`count` machines stand on this computer, until `down` or its restart; all that stand are returned.

    `cpus` are processors and `memory` GiB of each (None: as many as there are, and an even share), `isolation` how they are held apart
    (None: as the settings say, else the strongest way that works).

    Raises:
        Refused: they cannot be made, and why.
    """
    chosen = way(isolation).isolation
    with _told():
        yard = Yard(data_dir())
        with yard.locked():
            yard.make_standing(count, chosen, vcpus=cpus, memory_gib=memory)
    return status()


def status() -> tuple[LocalMachine, ...]:
    """The machines that stand on this computer, and the cluster on each. Raises Refused."""
    with _told():
        yard, used = Yard(data_dir()), _used()
        return tuple(
            LocalMachine(machine, "up" if yard.is_up(machine) else "ended", used.get(machine.name, ""))
            for machine in yard.machines()
        )


def down(*names: str, force: bool = False) -> tuple[str, ...]:
    """Nothing is left of these machines (all when none is named): processes, network, limits, files. Returns their names.

    `force` also ends those that clusters are on, which lose them as by a power cut.

    Raises:
        NotFound: there is no machine of a name.
        Refused: a cluster is on one of them.
    """
    with _told():
        yard = Yard(data_dir())
        with yard.locked():
            there = [machine.name for machine in yard.machines()]
            if unknown := sorted({*names} - {*there}):
                raise NotFound(f"there is no machine {unknown[0]}", "not_found", "`tradewind local status` lists them")
            ending, used = list(names) or there, _used()
            held = [f"{used[name]} is on {name}" for name in ending if name in used]
            if held and not force:
                first = used[next(name for name in ending if name in used)]
                raise Refused(", ".join(held), "state", f"`tradewind down {first}` first, or `--force`")
            for name in ending:
                yard.end(name)
            if not names:
                yard.sweep([])
                yard.sweep_abandoned()
    return tuple(ending)


def _used() -> dict[str, str]:
    """The machines that clusters are on -> the cluster's name."""
    return dict(entry.make(data_dir()).machines_used())


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except ProviderError as error:
        raise Refused(error.message, "state") from error


__all__ = ["LocalMachine", "down", "status", "up"]
