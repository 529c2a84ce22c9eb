"""Machines of one's own: sshds on loopback addresses, listed in a file."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pathlib
import subprocess
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

import pytest

from clouds.conformance import DEADLINE_S
from clouds.lab.sshd import SSHD, Sshd, running_sshd
from clouds.launching import a_request
from tradewind.broker.clouds.ssh import SshProvider, slots
from tradewind.broker.clouds.ssh.discovery import SCRIPT, offer_of, parse_capacity
from tradewind.broker.provider import Instance, LaunchRequest
from tradewind.broker.provision.ssh_keys import KeyRing
from tradewind.catalog.offer import Offer

T = TypeVar("T")


class SshWorld:
    """Three machines of one pool, as the conformance suite sees them."""

    can: frozenset[str] = frozenset()

    def __init__(self, directory: pathlib.Path, machines: list[Sshd]) -> None:
        self.directory, self.machines = directory, machines
        self.path = directory / "machines.yaml"
        self.made: list[SshProvider] = []
        self.shape: Offer | None = None
        identity = directory / "identity"
        hosts = [
            {"ip": m.address, "name": f"m{n}", "port": m.port, "host_key": m.host_key.public, "price": 0.1}
            for n, m in enumerate(machines)
        ]
        self.path.write_text(json.dumps({"desks": {"identity_file": str(identity), "hosts": hosts}}))

    def run(self, coroutine: Coroutine[Any, Any, T], *, deadline_s: float = DEADLINE_S) -> T:
        """Run on a fresh loop, bounded; the connections of this world's providers are closed within it."""

        async def whole() -> T:
            try:
                return await asyncio.wait_for(coroutine, deadline_s)
            finally:
                for provider in self.made:
                    await provider.aclose()

        return asyncio.run(whole())

    def provider(self) -> SshProvider:
        made = SshProvider(str(self.path), ledger_dir=str(self.directory / "ledger"), reach_s=2.0)
        self.made.append(made)
        return made

    def offer(self) -> Offer:
        if self.shape is None:
            said = subprocess.run(["sh", "-c", SCRIPT], capture_output=True, text=True, check=True).stdout
            self.shape = offer_of(self.provider().machines()[0], parse_capacity(said))
        return self.shape

    def request(
        self,
        instance_id: str = "i-one",
        *,
        cluster: str = "c1",
        rank: int = 0,
        use_spot: bool = False,
        **fields: Any,
    ) -> LaunchRequest:
        given = {"offer": self.offer(), "max_hourly_usd": 1.0} | fields
        return a_request(instance_id=instance_id, cluster=cluster, rank=rank, use_spot=use_spot, **given)

    def held(self) -> list[str]:
        found = []
        for machine in self.machines:
            found += [str(p) for p in (machine.home / ".tradewind").glob("slot*") if b"foreign" not in p.read_bytes()]
            found += [str(p) for p in (machine.home / ".tradewind" / "instances").glob("*")]
        return found + [str(p) for p in (self.directory / "ledger").glob("*")]

    def live(self) -> int:
        return sum(
            b"foreign" not in p.read_bytes() for m in self.machines for p in (m.home / ".tradewind").glob("slot.json")
        )

    def calls(self) -> list[str]:
        return []

    def exhaust(self, request: LaunchRequest) -> None:
        for number, machine in enumerate(self.machines):
            held = slots.Slot(
                f"foreign-{number}", "other", {"tradewind-cluster": "night-run", "tradewind-owner": "bob"}, 2e9
            )
            (machine.home / ".tradewind").mkdir(exist_ok=True)
            (machine.home / ".tradewind" / "slot.json").write_text(slots.encode(held))

    def forbid(self) -> None:
        for machine in self.machines:
            (machine.directory / "authorized_keys").write_text("")

    def slow(self, seconds: float) -> None:
        """Machines answer as fast as they do: each call is a round trip already."""

    def reclaim(self, instance: Instance) -> None:
        raise NotImplementedError


@pytest.fixture
def world(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshWorld]:
    if not SSHD:
        pytest.skip("no sshd here: apt-get install openssh-server")
    home = tmp_path / "person"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    keys = KeyRing(str(tmp_path / "keys"))
    identity = tmp_path / "identity"
    identity.write_text(keys.login().private)
    identity.chmod(0o600)
    with contextlib.ExitStack() as stack:
        machines = [
            stack.enter_context(
                running_sshd(tmp_path / f"m{n}", keys.host(f"m{n}"), keys.login().public, address=f"127.0.0.{n + 2}")
            )
            for n in range(3)
        ]
        world = SshWorld(tmp_path, machines)
        yield world
    assert os.path.isdir(home)
