"""Instances of the fakes of Google's and Azure's APIs with real machines behind them: launched, reached over SSH, used, taken, ended."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import socket
import time
from collections.abc import Sequence

import pytest

from clouds.azure.world import azure_world
from clouds.conformance import own, until
from clouds.fakes.room import Room
from clouds.gcp.world import gcp_world
from clouds.lab.doors import IPTABLES
from clouds.lab.namespaces import Lab
from clouds.lab.strangers import only_peers_reach
from tradewind.broker.provider import Instance, ProviderError
from tradewind.broker.provision.ssh_keys import KeyRing
from tradewind.broker.provision.ssh_transport import SshConnector
from tradewind.broker.provision.user_data import with_login

RUNTIME_PORT = 45678  # the head's own is any that is free
BARE = {"ssh_public_key": "", "user_data": ""}  # with_login gives both


@contextlib.contextmanager
def cloud_with_machines(name: str, lab: Lab):
    if name == "gcp":
        with gcp_world() as world, Room(lab, world.cloud.compute) as room:
            yield world, room
    else:
        with azure_world() as world, Room(lab, world.cloud.arm) as room:
            yield world, room


@pytest.mark.parametrize("name", ["gcp", "azure"])
def test_launched_reached_used_taken_ended(name: str, lab: Lab, tmp_path: pathlib.Path) -> None:
    keys = KeyRing(str(tmp_path / "data"))

    async def scenario(world, room: Room) -> None:
        provider = world.provider()
        provider._connector = SshConnector(keys, cloud=name, deadline_s=20)
        gang = [with_login(world.request(f"i-{r}", rank=r, use_spot=True, **BARE), keys) for r in range(2)]
        made = await asyncio.gather(*(provider.launch(r, f"t{r.rank}") for r in gang))
        one, two = await asyncio.gather(*(provider.connect(instance) for instance in made))
        try:
            said = await one.run(["sh", "-c", "id -un; sudo -n true 2>/dev/null; cat /var/lib/tradewind/lease"])
            assert said.stdout.startswith(b"tradewind\n2000000000")
            await one.put(str(pathlib.Path(__file__)), "copied.py")
            # the nodes reach each other by the address that describe gives
            ping = f"exec 3<>/dev/tcp/{made[1].address}/22; head -c 4 <&3"
            assert (await one.run(["bash", "-c", ping])).stdout == b"SSH-"
            await asyncio.to_thread(nobody_else_reaches_the_runtime, name, room, made)
            lost = asyncio.create_task(two.wait_lost())
            started = time.monotonic()
            world.reclaim(made[1])
            await asyncio.wait_for(lost, 10)
            assert time.monotonic() - started < 1.5
        finally:
            await one.close()
            await two.close()
        seen = await until(
            "one is left", lambda: provider.describe(own(gang[0])), lambda seen: [i.state for i in seen] == ["RUNNING"]
        )
        assert seen[0].provider_id == made[0].provider_id
        for instance in made:
            await provider.terminate(instance.provider_id)
        assert not any(machine.alive() for machine in room.machines.values())

    with cloud_with_machines(name, lab) as (world, room):
        asyncio.run(asyncio.wait_for(scenario(world, room), 60))
        assert world.held() == []


def nobody_else_reaches_the_runtime(name: str, room: Room, made: Sequence[Instance]) -> None:
    """By the rules that our own calls made at the cloud, which each machine's firewall has."""
    if IPTABLES:
        at = {host.addresses[0]: host for host in room.machines.values()}
        head, other = (at[instance.address] for instance in made)
        with head.inside(lambda: socket.create_server(("0.0.0.0", RUNTIME_PORT))):
            only_peers_reach(head, other, [RUNTIME_PORT], cloud=name)


@pytest.mark.parametrize("name", ["gcp", "azure"])
def test_a_machine_with_another_host_key_is_refused(name: str, lab: Lab, tmp_path: pathlib.Path) -> None:
    async def scenario(world) -> None:
        provider = world.provider()
        mine, another = KeyRing(str(tmp_path / "mine")), KeyRing(str(tmp_path / "another"))
        provider._connector = SshConnector(another, cloud=name, deadline_s=20)
        made = await provider.launch(with_login(world.request(**BARE), mine), "t")
        with pytest.raises(ProviderError) as refusal:
            await provider.connect(made)
        assert refusal.value.code == "HostKeyChanged"
        await provider.terminate(made.provider_id)

    with cloud_with_machines(name, lab) as (world, _):
        asyncio.run(asyncio.wait_for(scenario(world), 60))
