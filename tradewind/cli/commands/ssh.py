"""`tradewind ssh` and `tradewind rsync`: by the system's own programs, with the keys and host keys of this data directory."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Any, NoReturn

import click

from tradewind.cli import exits


def _login(name: str) -> dict[str, Any]:
    """How to reach the cluster's nodes; the SSH configuration that says so has been written."""
    from tradewind.cli import daemon

    api = daemon.reach(start=False)
    if not api.up:
        raise daemon.no_cluster(name)
    found: dict[str, Any] = api.post(f"{daemon.cluster_resource(name)}/login")
    return found


def _program(name: str) -> str:
    from tradewind.cli.errors import CliError

    path = shutil.which(name)
    if path is None:
        raise CliError(
            f"{name} is not installed here; install it (apt-get install {name}) and try again.", exits.FAILED
        )
    return path


def _become(program: str, argv: list[str]) -> NoReturn:
    """This process goes on as that program."""
    sys.stdout.flush()
    os.execv(program, argv)


def _include(config: str) -> str:
    """Put the configuration first into ~/.ssh/config, once, so that ssh, scp, rsync and editors know the names; its path."""
    path = os.path.expanduser("~/.ssh/config")
    line = f'Include "{config}"\n'
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    try:
        with open(path, encoding="utf-8") as file:
            before = file.read()
    except FileNotFoundError:
        before = ""
    if line not in before:
        with open(path + ".tradewind", "w", encoding="utf-8") as file:
            file.write(line + before)
        os.chmod(path + ".tradewind", 0o600)
        os.replace(path + ".tradewind", path)
    return path


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("name", metavar="CLUSTER")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[COMMAND...]")
@click.option("--node", type=click.IntRange(min=0), default=0, help="The node's rank; 0, the head.")
@click.option("--include", is_flag=True, help="Only let ~/.ssh/config know the cluster's nodes: NAME, NAME-1, ...")
def ssh(name: str, command: tuple[str, ...], *, node: int, include: bool) -> int:
    """Log in to a cluster's node, or run a command there. Options stand before the cluster's name."""
    from tradewind.cli.errors import CliError

    login = _login(name)
    if node >= len(login["nodes"]):
        raise CliError(f"{name} has {len(login['nodes'])} nodes, counted from 0.", exits.BAD_INPUT)
    if include:
        print(f"{_include(login['config'])}: `ssh {name}` works now, and so do scp, rsync and editors.")
        return exits.OK
    from tradewind.sdk.login import ssh_arguments

    _become(_program("ssh"), list(ssh_arguments(login, name, node, command)))


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument(
    "arguments", nargs=-1, required=True, type=click.UNPROCESSED, metavar="[RSYNC OPTIONS] SOURCE... TARGET"
)
def rsync(arguments: tuple[str, ...]) -> int:
    """Copy to or from a cluster: CLUSTER:path names a place there. Everything is handed to rsync."""
    from tradewind.cli.errors import CliError
    from tradewind.sdk.login import place_named, rsync_arguments

    named = place_named(arguments)
    if not named:
        raise CliError("name a place on a cluster as CLUSTER:path.", exits.BAD_INPUT)
    cluster, login, rank = _login_by_alias(named)
    _become(_program("rsync"), list(rsync_arguments(login, cluster, rank, arguments)))


def _login_by_alias(alias: str) -> tuple[str, dict[str, Any], int]:
    """The cluster that the alias names, or names a node of ("NAME-1"), its login, and the node's rank."""
    from tradewind.cli.errors import CliError

    try:
        return alias, _login(alias), 0
    except CliError:
        name, _, rank = alias.rpartition("-")
        if not (name and rank.isdigit()):
            raise
        login = _login(name)
        if int(rank) >= len(login["nodes"]):
            raise
        return name, login, int(rank)
