"""The SSH configuration: read by the system's own ssh, which says what it would do."""

from __future__ import annotations

import asyncio
import pathlib
import shutil
import subprocess

import pytest

from tradewind.broker.capabilities import Login
from tradewind.broker.server import ssh_config
from tradewind.broker.server.fleet import Node, _node

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHVLJ8kb0aW6GXd0Xl0kBw0i5i1b0l0l0l0l0l0l0l0l"
needs_ssh = pytest.mark.skipif(not shutil.which("ssh"), reason="no ssh here: apt-get install openssh-client")


def ours(rank: int, host: str) -> Node:
    return Node(rank=rank, host=host, user="tradewind", identity_file="/data/ssh/id", host_key=KEY)


def write(data: pathlib.Path, cluster: str, nodes: list[Node], alive: tuple[str, ...] = ()) -> str:
    return asyncio.run(ssh_config.write_ssh_config(str(data), cluster, nodes, alive=alive))


def read(config: str | pathlib.Path, alias: str) -> dict[str, str]:
    """What ssh makes of it."""
    told = subprocess.run(["ssh", "-F", config, "-G", alias], capture_output=True, text=True, check=True).stdout
    return dict(line.split(" ", 1) for line in told.splitlines() if " " in line)


@needs_ssh
def test_the_clusters_stand_side_by_side_until_they_are_gone(tmp_path: pathlib.Path) -> None:
    data = tmp_path / "a 100% strange place"
    data.mkdir()
    write(data, "one", [ours(0, "203.0.113.1"), ours(1, "203.0.113.2")])
    config = write(data, "two", [ours(0, "203.0.113.9")], alive=("one", "two"))
    assert read(config, "one")["hostname"] == "203.0.113.1"
    assert read(config, "two")["hostname"] == "203.0.113.9"
    second = read(config, "one-1")
    assert second["hostname"] == "203.0.113.2"
    assert second["hostkeyalias"] == "tradewind-one-1"
    assert second["stricthostkeychecking"] == "true"
    assert second["identityfile"] == "/data/ssh/id"
    assert second["userknownhostsfile"].replace('"', "") == str(data / "ssh" / "known" / "one")
    assert f"tradewind-one-1 {KEY}" in (data / "ssh" / "known" / "one").read_text()
    write(data, "two", [ours(0, "203.0.113.10")], alive=("two",))
    assert read(config, "one")["hostname"] == "one"  # it is gone, and so is its name
    assert read(config, "two")["hostname"] == "203.0.113.10"
    assert not ssh_config.is_written(str(data), "one")
    assert {path.stat().st_mode & 0o77 for path in (data / "ssh").rglob("*") if path.is_file()} == {0}


@needs_ssh
def test_a_machine_of_ones_own_is_reached_as_its_owner_reaches_it(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text(
        "Host desk\n  HostName 192.0.2.7\n  User ada\n  Port 2222\n  IdentityFile /keys/desk\n  ProxyJump gate.example\n"
    )
    bare = Login(host="desk", port=0, user="", identity_file="", host_key="", home=".tradewind/instances/i")
    node = _node(type("Row", (), {"rank": 0})(), bare)
    config = write(tmp_path / "data", "mine", [node])
    told = read(config, "mine")
    assert (told["hostname"], told["user"], told["port"]) == ("192.0.2.7", "ada", "2222")
    assert told["proxyjump"] == "gate.example"
    assert told["identityfile"] == "/keys/desk"
    assert told["userknownhostsfile"] == f"{tmp_path}/.ssh/known_hosts"
    listed = Login(host="desk", port=2200, user="bob", identity_file="/keys/list", host_key=KEY, home="x")
    told = read(write(tmp_path / "data", "mine", [_node(type("Row", (), {"rank": 0})(), listed)]), "mine")
    assert (told["user"], told["port"], told["identityfile"]) == ("bob", "2200", "/keys/list")


def test_nonsense_from_ssh_is_passed_over() -> None:
    assert ssh_config.parse_settings(["", "user ada", "proxyjump none", "sendenv LANG", "port"]) == {"user": ["ada"]}
