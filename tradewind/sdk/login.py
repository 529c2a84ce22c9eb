"""The argument lists of `ssh` and `rsync` that reach a cluster's nodes with the keys and host keys of this data directory. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

Login = Mapping[str, Any]  # what POST /v1/clusters/{name}/login answers


def alias(cluster: str, rank: int) -> str:
    """What the SSH configuration calls the node."""
    return cluster if rank == 0 else f"{cluster}-{rank}"


def ssh_arguments(login: Login, cluster: str, rank: int, command: Sequence[str]) -> tuple[str, ...]:
    """`ssh` to the node, standing in the instance's home where that is not the login user's; the words of a command are joined as ssh joins them."""
    options, asked = _in_home(str(login["nodes"][rank]["home"]), command)
    return ("ssh", *options, "-F", str(login["config"]), alias(cluster, rank), *asked)


def rsync_arguments(login: Login, cluster: str, rank: int, arguments: Sequence[str]) -> tuple[str, ...]:
    """`rsync -az` with these arguments, in which `NAME:path` (NAME as `alias` says) is a place on the node."""
    home, name = str(login["nodes"][rank]["home"]), alias(cluster, rank)
    shell = f"ssh -F {shlex.quote(str(login['config']))}"
    return ("rsync", "-az", "-e", shell, *(_below_home(argument, name, home) for argument in arguments))


def place_named(arguments: Sequence[str]) -> str:
    """What stands before the colon of the first argument that names a place on a cluster; "" when none does."""
    return next((a.partition(":")[0] for a in arguments if ":" in a and not a.startswith(("-", "/", "."))), "")


def _in_home(home: str, command: Sequence[str]) -> tuple[list[str], list[str]]:
    if not home:
        return [], list(command)
    enter = f"cd {shlex.quote(home)} && export HOME=$PWD"
    if command:
        return [], [f"{enter} && {' '.join(command)}"]
    return ["-t"], [f'{enter} && exec "${{SHELL:-sh}}" -l']


def _below_home(argument: str, name: str, home: str) -> str:
    """A place on the cluster as rsync finds it from the login user's home."""
    place, colon, path = argument.partition(":")
    if not home or not colon or place != name or path.startswith(("/", "~")):
        return argument
    return f"{name}:{home}/{path}"
