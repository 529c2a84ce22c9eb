"""An SSH configuration that knows every cluster's nodes by name: one file a cluster, and one that includes them all. Text here is pure.

NAME is the head, NAME-1 the node of rank 1, and so on. Nodes that we boot have a key of ours and a host key that is pinned. A person's own
machines are reached as that person's `ssh` reaches them: what `ssh -G HOST` says of them (ssh_config(5)) is written down under the node's name.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

INCLUDED = "clusters"
_COPIED = ("hostname", "user", "port", "identityfile", "identitiesonly", "proxyjump", "proxycommand", "hostkeyalias")
_ASK_S = 5.0
Settings = Mapping[str, Sequence[str]]  # a keyword in lower case -> its values
_NOTHING: Settings = {}


class Reached(Protocol):
    """A node as it is logged in to. Without `host_key` the person's known_hosts decides; user and file "" and port 0 are their own settings."""

    @property
    def rank(self) -> int: ...
    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def user(self) -> str: ...
    @property
    def identity_file(self) -> str: ...
    @property
    def host_key(self) -> str: ...


def directory_of(data_dir: str) -> str:
    """Where the configuration lies: `config` there includes the clusters' own."""
    return os.path.join(data_dir, "ssh")


async def write_ssh_config(data_dir: str, cluster: str, nodes: Sequence[Reached], *, alive: Collection[str]) -> str:
    """The path of a configuration that knows this cluster's nodes as they are now, and those written before of the clusters in `alive`."""
    own = {node.host: await asyncio.to_thread(own_settings, node.host) for node in nodes if not node.host_key}
    await asyncio.to_thread(_write, directory_of(data_dir), cluster, nodes, own, frozenset(alive) | {cluster})
    return os.path.join(directory_of(data_dir), "config")


def is_written(data_dir: str, cluster: str) -> bool:
    """Whether somebody has asked for the cluster's names before."""
    return os.path.exists(os.path.join(directory_of(data_dir), INCLUDED, cluster))


def own_settings(host: str) -> Settings:
    """What the person's `ssh` would do for this host; {} where there is no ssh. Blocks."""
    config = os.path.expanduser("~/.ssh/config")
    chosen = ["-F", config] if os.path.exists(config) else []
    try:
        asked = subprocess.run(
            ["ssh", *chosen, "-G", "--", host],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_ASK_S,  # a `Match exec` of theirs may hang
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return _NOTHING
    return parse_settings(asked.stdout.splitlines())


def parse_settings(lines: Iterable[str]) -> Settings:
    """`ssh -G`'s lines, those that matter here."""
    found: dict[str, list[str]] = {}
    for line in lines:
        keyword, _, value = line.partition(" ")
        if keyword in _COPIED and value and value != "none":
            found.setdefault(keyword, []).append(value)
    return found


def stanza(alias: str, node: Reached, known_hosts: str, own: Settings = _NOTHING) -> Iterator[str]:
    """The lines of one node."""
    yield f"Host {alias}"
    if node.host_key:
        yield f"  HostName {node.host}"
        yield f"  HostKeyAlias tradewind-{alias}"
        yield f"  UserKnownHostsFile {quoted(known_hosts)}"
    else:
        yield f"  HostName {(own.get('hostname') or [node.host])[0]}"
        yield f"  UserKnownHostsFile {quoted(os.path.expanduser('~/.ssh/known_hosts'))}"
        for keyword in ("hostkeyalias", "proxyjump", "proxycommand"):
            yield from (f"  {keyword} {value}" for value in own.get(keyword, ()))
    if user := node.user or "".join(own.get("user", ())[:1]):
        yield f"  User {user}"
    if port := node.port or "".join(own.get("port", ())[:1]):
        yield f"  Port {port}"
    if node.identity_file:
        yield f"  IdentityFile {quoted(node.identity_file)}"
        yield "  IdentitiesOnly yes"
    else:
        yield from (f"  IdentityFile {quoted(path)}" for path in own.get("identityfile", ()))
    yield "  StrictHostKeyChecking yes"
    yield "  ServerAliveInterval 15"
    yield ""


def quoted(path: str) -> str:
    """A path as one word of the configuration; a percent sign would begin a token."""
    return '"' + path.replace("%", "%%") + '"'


def _write(
    directory: str, cluster: str, nodes: Sequence[Reached], own: Mapping[str, Settings], alive: frozenset[str]
) -> None:
    known = os.path.join(directory, "known")
    included = os.path.join(directory, INCLUDED)
    for folder in (directory, known, included):
        os.makedirs(folder, mode=0o700, exist_ok=True)
    aliases = [(cluster if node.rank == 0 else f"{cluster}-{node.rank}", node) for node in nodes]
    pinned = os.path.join(known, cluster)
    config = [line for alias, node in aliases for line in stanza(alias, node, pinned, own.get(node.host, _NOTHING))]
    _replace(pinned, [f"tradewind-{alias} {node.host_key}" for alias, node in aliases if node.host_key])
    _replace(os.path.join(included, cluster), config)
    _replace(os.path.join(directory, "config"), [f'Include "{os.path.join(included, "*")}"'])
    for folder in (known, included):
        for name in set(os.listdir(folder)) - alive:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(folder, name))


def _replace(path: str, lines: Sequence[str]) -> None:
    partial = path + ".partial"
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write("\n".join(lines) + "\n")
    os.replace(partial, path)
