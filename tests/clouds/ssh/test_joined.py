"""Two real machines of one's own, from the list to an agent that runs a job, and given back as they were."""

from __future__ import annotations

import asyncio
import json
import pathlib
import time
from collections.abc import Iterator

import pytest

from clouds.lab.namespaces import Host, Lab, open_lab
from tradewind import __version__
from tradewind.agent import protocol
from tradewind.broker.clouds.ssh import SshProvider
from tradewind.broker.provider import Instance, LaunchRequest
from tradewind.broker.provision.agent_client import AgentClient
from tradewind.broker.provision.remote_environment import EnvironmentMaker, start_agent
from tradewind.broker.provision.ssh_keys import KeyRing
from tradewind.catalog.offer import Offer


@pytest.fixture
def lab(tmp_path: pathlib.Path) -> Iterator[Lab]:
    with open_lab(tmp_path / "lab") as lab:
        yield lab


def listed(lab: Lab, tmp_path: pathlib.Path) -> tuple[list[Host], SshProvider]:
    keys = KeyRing(str(tmp_path / "keys"))
    allowed = (keys.login().public,)
    hosts = [
        lab.host((f"10.77.0.{n}",), user="ada", authorized=allowed, host_key=keys.host(f"m{n}").private) for n in (1, 2)
    ]
    for host in hosts:
        host.wait_ssh()
    entries = [{"ip": h.addresses[0], "host_key": keys.host(f"m{n}").public} for n, h in enumerate(hosts, 1)]
    path = tmp_path / "machines.yaml"
    path.write_text(json.dumps({"desks": {"user": "ada", "identity_file": keys.private_path, "hosts": entries}}))
    prepare = EnvironmentMaker(str(tmp_path / "cache"))
    return hosts, SshProvider(str(path), ledger_dir=str(tmp_path / "ledger"), prepare=prepare)


def request(offer: Offer, rank: int) -> LaunchRequest:
    tags = {"tradewind-owner": "me", "tradewind-cluster": "c1", "tradewind-instance": f"i-{rank}"}
    return LaunchRequest(f"i-{rank}", "c1", rank, offer, False, 1.0, tags, 2e9)


async def say_hello(provider: SshProvider, instance: Instance) -> str:
    transport = await provider.connect(instance)
    try:
        await start_agent(transport, instance.instance_id)
        deadline = time.monotonic() + 20
        while True:
            try:
                reader, writer = await transport.open(protocol.agent_socket_path(transport.home))
                break
            except OSError:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)
        client = AgentClient(reader, writer)
        try:
            await client.hello(__version__)
            await client.call(
                protocol.Configure(
                    cluster="c1", rank=0, node_ips=(instance.address,), lease_until_unix=time.time() + 600
                )
            )
            await client.call(
                protocol.StartJob(job_id="j", phase="run", script='echo "hello from $(hostname)"; (setsid sleep 600 &)')
            )
            return b"".join([chunk async for chunk in client.read_log("j", follow=True)]).decode()
        finally:
            await client.close()
    finally:
        await transport.close()


def test_lent_used_and_given_back(lab: Lab, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # the tester's own SSH settings stay out of it
    hosts, provider = listed(lab, tmp_path)

    async def scenario() -> None:
        try:
            (offer,) = await provider.offers()
            made = await asyncio.gather(*(provider.launch(request(offer, rank), f"token-{rank}") for rank in range(2)))
            assert {i.address for i in made} == {h.addresses[0] for h in hosts}
            said = await asyncio.gather(*(say_hello(provider, i) for i in made))
            assert sorted(said) == sorted(f"hello from {h.name}\n" for h in hosts)
            await asyncio.gather(*(provider.terminate(i.provider_id) for i in made))
            for machine in provider.machines():
                left = await provider._script(machine, "ls -A ~/.tradewind; pgrep -u ada -fl 'tradewind|sleep' || true")
                assert [line for line in left.split() if not line.startswith(("env", "wheels"))] == []
            assert await provider.describe({"tradewind-owner": "me"}) == []
        finally:
            await provider.aclose()

    asyncio.run(scenario())
