"""The agent on a local instance: the lease, the order to end, and both leave nothing running."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time

import pytest

from tradewind.agent import instance_end
from tradewind.agent.protocol import Configure, EndInstance, LeaseExpired, RenewLease, StartJob, agent_socket_path
from tradewind.broker.clouds.local.machine import this_machine
from tradewind.broker.clouds.local.provider import LocalProvider
from tradewind.broker.provider import LaunchRequest
from tradewind.broker.provision.agent_client import AgentClient, AgentGone

SAVE = "trap 'echo late > $TRADEWIND_CHECKPOINT_DIR/late; exit' TERM; touch up; while true; do sleep 0.02; done"


@pytest.fixture(params=["plain", None], ids=["plain", "best"])
def provider(tmp_path, request):
    return LocalProvider(str(tmp_path / "instances"), containment=request.param)


@contextlib.asynccontextmanager
async def instance_with_agent(provider):
    request = LaunchRequest(
        instance_id="i-1", cluster="c", rank=0, offer=this_machine(), use_spot=False, max_hourly_usd=0, tags={},
        lease_until_unix=time.time() + 600,
    )  # fmt: skip
    instance = await provider.launch(request, "t")
    try:
        transport = await provider.connect(instance)
        await transport.start(
            [transport.python, "-P", "-m", "tradewind.agent", "--home", transport.home], log="agent.log"
        )
        while True:
            try:
                client = AgentClient(*await transport.open(agent_socket_path(transport.home)))
                break
            except OSError:
                await asyncio.sleep(0.005)
        assert (await client.hello("x")).instance_id == "i-1"
        await client.call(Configure("c", 0, (instance.address,), time.time() + 600))
        yield instance, client, transport.home
        await client.close()
    finally:
        await provider.terminate("i-1")


async def start_saver(client, home, store) -> None:
    await client.call(StartJob("1-1", "run", SAVE, checkpoint_uri=f"file://{store}"))
    while not os.path.exists(f"{home}/workdir/up"):  # noqa: ASYNC110, ASYNC240
        await asyncio.sleep(0.01)


def test_a_lease_that_runs_out_ends_the_instance_after_a_last_sync(provider, run, tmp_path):
    async def scenario():
        async with instance_with_agent(provider) as (instance, client, home):
            await start_saver(client, home, tmp_path / "store")
            await client.call(RenewLease(time.time() + 0.3))
            facts = []
            with contextlib.suppress(AgentGone):
                async for event in client.subscribe():
                    facts.append(type(event.fact).__name__)  # noqa: PERF401  what came before the end counts
            assert facts == ["Restored", "JobStarted", "LeaseExpired", "CheckpointSynced", "JobEnded"]
            assert await provider.watch(instance) == "its lease ran out"
            assert list((tmp_path / "store/rank-0/copies").glob("*-late"))

    run(scenario())


def test_a_renewed_lease_lasts(provider, run, fact_of):
    async def scenario():
        async with instance_with_agent(provider) as (_, client, _):
            await client.call(RenewLease(time.time() + 0.3))
            await client.call(RenewLease(time.time() + 600))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(fact_of(client, LeaseExpired), 0.6)

    run(scenario())


def test_the_order_to_end(provider, run, tmp_path):
    async def scenario():
        async with instance_with_agent(provider) as (instance, client, home):
            await start_saver(client, home, tmp_path / "store")
            await client.call(EndInstance())
            assert await provider.watch(instance) == "the broker ended it"
            assert list((tmp_path / "store/rank-0/copies").glob("*-late"))

    run(scenario())


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    """A machine that the first boot prepared: its lease file, and a `sudo` that notes what it was asked."""
    lease = tmp_path / "lease"
    lease.write_text("100\n")
    sudo = tmp_path / "bin" / "sudo"
    sudo.parent.mkdir()
    sudo.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> {tmp_path}/asked\n')
    sudo.chmod(0o755)
    monkeypatch.setattr(instance_end, "LEASE_FILE", str(lease))
    monkeypatch.setenv("PATH", f"{sudo.parent}:{os.environ['PATH']}")
    return tmp_path


def test_a_clouds_machine_is_powered_off_after_its_lease(prepared):
    instance_end.note_lease(1234.6)
    assert (prepared / "lease").read_text() == "1235\n"
    instance_end.end_instance("its lease ran out")
    assert (prepared / "lease").read_text() == "1\n"
    assert (prepared / "asked").read_text() == "-n systemctl poweroff\n"


def test_a_machine_that_will_not_power_off_is_left_to_its_guard(prepared, capsys):
    (prepared / "bin" / "sudo").write_text("#!/bin/sh\nexit 1\n")
    instance_end.end_instance("its lease ran out")
    assert (prepared / "lease").read_text() == "1\n"
    assert "its guard will" in capsys.readouterr().err


def test_somebodys_own_machine_is_left_alone(prepared):
    (prepared / "lease").unlink()
    instance_end.note_lease(5)
    instance_end.end_instance("its lease ran out")
    assert not (prepared / "asked").exists()
    assert not (prepared / "lease").exists()


def test_a_rehearsal_on_a_clouds_machine_ends_itself_and_not_the_machine(prepared, monkeypatch, capsys):
    monkeypatch.setenv("TRADEWIND_HOST_SOCKET", str(prepared / "host.sock"))
    instance_end.note_lease(5)
    instance_end.end_instance("its lease ran out")
    assert (prepared / "lease").read_text() == "100\n"
    assert not (prepared / "asked").exists()
    assert "could not be ended" in capsys.readouterr().err
