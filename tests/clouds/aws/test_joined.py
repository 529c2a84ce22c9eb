"""A fake EC2 instance with a real machine behind it: launched, reached over SSH, given an agent, used, taken, ended."""

from __future__ import annotations

import asyncio
import pathlib
import time
from collections.abc import Iterator

import pytest

from clouds.conformance import own, until
from clouds.fakes.aws.machines import MachineRoom
from clouds.fakes.aws.world import AwsWorld
from clouds.lab.namespaces import Lab
from tradewind import __version__
from tradewind.agent import protocol
from tradewind.broker.clouds.aws import AwsProvider
from tradewind.broker.provision.agent_client import AgentClient
from tradewind.broker.provision.remote_environment import EnvironmentMaker, start_agent
from tradewind.broker.provision.ssh_keys import KeyRing
from tradewind.broker.provision.ssh_transport import SshConnector
from tradewind.broker.provision.user_data import with_login


@pytest.fixture
def room(lab: Lab, world: AwsWorld) -> Iterator[MachineRoom]:
    with MachineRoom(lab, world) as room:
        yield room


@pytest.fixture
def keys(tmp_path: pathlib.Path) -> KeyRing:
    return KeyRing(str(tmp_path / "data"))


@pytest.fixture
def provider(world: AwsWorld, keys: KeyRing, tmp_path: pathlib.Path) -> AwsProvider:
    provider = world.provider()
    connector = SshConnector(keys, cloud="aws", deadline_s=20, prepare=EnvironmentMaker(str(tmp_path / "cache")))
    provider._connect = connector
    return provider


def test_launch_reach_run_terminate(room: MachineRoom, world: AwsWorld, provider: AwsProvider, keys: KeyRing) -> None:
    async def scenario() -> None:
        request = with_login(world.request(), keys)
        made = await provider.launch(request, "token-1")
        (up,) = await until(
            "up", lambda: provider.describe(own(request)), lambda seen: [i.state for i in seen] == ["RUNNING"]
        )
        assert up.public_address != up.address
        started = time.monotonic()
        transport = await provider.connect(up)
        assert transport.python
        await start_agent(transport, request.instance_id)
        client = await agent(transport)
        assert time.monotonic() - started < 20
        try:
            welcome = await client.hello(__version__)
            assert welcome.instance_id == request.instance_id
            await client.call(
                protocol.Configure(cluster="c1", rank=0, node_ips=(up.address,), lease_until_unix=time.time() + 600)
            )
            await client.call(
                protocol.StartJob(
                    job_id="j1",
                    phase="run",
                    script='echo "I am $(hostname) in $(pwd)"; ip -o addr show eth0 2>/dev/null || true',
                )
            )
            said = b"".join([chunk async for chunk in client.read_log("j1", follow=True)])
            assert f"I am {room.machine(up).name} in /home/tradewind/workdir".encode() in said
        finally:
            await client.close()
            await transport.close()
        await provider.terminate(made.provider_id)

        async def alive() -> bool:
            return room.machine(up).alive()

        await until("its machine is gone", alive, lambda it: not it)

    asyncio.run(scenario())


def test_by_its_record_alone_an_instance_is_found_and_its_host_key_is_known(
    room: MachineRoom, world: AwsWorld, provider: AwsProvider, keys: KeyRing
) -> None:
    async def scenario() -> None:
        request = with_login(world.request(), keys)
        made = await provider.launch(request, "token-1")
        bare = type(made)(
            instance_id=made.instance_id,
            provider_id=made.provider_id,
            state="RUNNING",
            address=made.address,
            tags=made.tags,
        )
        transport = await provider.connect(bare)
        try:
            assert (await transport.run(["id", "-un"])).stdout == b"tradewind\n"
        finally:
            await transport.close()
        await provider.terminate(made.provider_id)

    asyncio.run(scenario())


def test_a_reclaimed_instance_is_noticed_by_its_connection_and_named_by_its_cloud(
    room: MachineRoom, world: AwsWorld, provider: AwsProvider, keys: KeyRing
) -> None:
    async def scenario() -> None:
        request = with_login(world.request(use_spot=True), keys)
        made = await provider.launch(request, "token-1")
        transport = await provider.connect(made)
        lost = asyncio.create_task(transport.wait_lost())  # type: ignore[attr-defined]
        started = time.monotonic()
        world.reclaim(made)
        await asyncio.wait_for(lost, 10)
        assert time.monotonic() - started < 1.5
        (seen,) = await provider.describe(own(request))
        assert seen.state == "TERMINATED"
        assert "spot reclaim" in seen.reason
        await transport.close()
        await provider.terminate(made.provider_id)

    asyncio.run(scenario())


def test_an_instance_whose_lease_ran_out_before_an_agent_came_ends_itself(
    room: MachineRoom, world: AwsWorld, provider: AwsProvider, keys: KeyRing
) -> None:
    """The daemon died after buying: the guard of the lease, started at first boot, turns the machine off, and AWS ends it for good."""

    async def scenario() -> None:
        late = world.request()
        late = type(late)(
            **{**{f: getattr(late, f) for f in late.__struct_fields__}, "lease_until_unix": time.time() + 1}
        )
        request = with_login(late, keys)
        room.guard_interval_s = 0.2
        made = await provider.launch(request, "token-1")
        (ended,) = await until(
            "ended", lambda: provider.describe(own(request)), lambda seen: [i.state for i in seen] == ["TERMINATED"]
        )
        assert ended.reason == "the instance shut itself down"
        await provider.terminate(made.provider_id)

    asyncio.run(scenario())


async def agent(transport: object) -> AgentClient:
    deadline = time.monotonic() + 20
    while True:
        try:
            reader, writer = await transport.open(protocol.agent_socket_path(transport.home))  # type: ignore[attr-defined]
        except OSError:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        else:
            return AgentClient(reader, writer)
