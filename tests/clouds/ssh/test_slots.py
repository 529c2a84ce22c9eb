"""Lending machines: leases that ran out, processes that must end, homes of their own."""

from __future__ import annotations

import asyncio
import os
import time

import pytest

from clouds.conformance import own
from clouds.ssh.conftest import SshWorld
from tradewind.broker.clouds.ssh import slots
from tradewind.broker.provider import ProviderError
from tradewind.broker.provision.ssh_transport import SshTransport


def test_a_slot_whose_lease_ran_out_is_taken_over(world: SshWorld) -> None:
    async def scenario() -> None:
        provider = world.provider()
        for machine in world.machines:
            (machine.home / ".tradewind" / "instances" / "old").mkdir(parents=True)
            old = slots.Slot("old", "old-token", {"tradewind-cluster": "old"}, time.time() - 3600)
            (machine.home / ".tradewind" / "slot.json").write_text(slots.encode(old))
        made = await provider.launch(world.request(), "token-1")
        await provider.lease(made.provider_id, 1_999_999_999.0)
        (held,) = [
            s
            for m in world.machines
            if (s := slots.decode((m.home / ".tradewind/slot.json").read_text())) and s.token == "token-1"
        ]
        assert held.lease_until_unix == 1_999_999_999.0
        await provider.terminate(made.provider_id)

    world.run(scenario())


def test_one_that_is_dead_keeps_nobody_from_the_others_and_is_asked_no_more_once_written_off(world: SshWorld) -> None:
    async def scenario() -> None:
        provider = world.provider()
        first = await provider.launch(world.request(), "token-1")
        assert first.provider_id == "m0/i-one"
        await asyncio.to_thread(world.machines[0].stop)
        second = await provider.launch(world.request(instance_id="i-two"), "token-2")
        assert second.provider_id == "m1/i-two"
        with pytest.raises(ProviderError):
            await provider.describe(first.tags)
        await provider.write_off(first.provider_id)
        assert await provider.describe(first.tags) == []
        assert [one.provider_id for one in await provider.describe(second.tags)] == ["m1/i-two"]
        await asyncio.to_thread(world.machines[0].start)
        await asyncio.gather(provider.terminate(first.provider_id), provider.terminate(second.provider_id))

    world.run(scenario())


def test_everything_of_an_instance_ends_and_nothing_else(world: SshWorld) -> None:
    async def scenario() -> None:
        provider, request = world.provider(), world.request()
        made = await provider.launch(request, "token-1")
        transport = await provider.connect(made)
        assert isinstance(transport, SshTransport)
        assert transport.home.endswith("/.tradewind/instances/i-one")
        mark = {"TRADEWIND_AGENT_HOME": transport.home}
        base = 1_000_000 + os.getpid() * 10  # seconds that nobody else sleeps
        ours = f"^sleep {base // 10}[012]$"
        # one that left its group and session, one that is another instance's
        await transport.start(
            ["sh", "-c", f"setsid sleep {base} & echo $! >escaped; exec sleep {base + 1}"], env=mark, log="log"
        )
        await transport.start(
            ["sleep", str(base + 2)], env={"TRADEWIND_AGENT_HOME": transport.home + "-other"}, log="log"
        )
        done = await transport.run(
            ["sh", "-c", f"until [ -s escaped ]; do sleep 0.02; done; cat escaped; pgrep -f '{ours}' | wc -l"]
        )
        escaped, running = done.stdout.split()
        assert int(running) == 3
        await transport.close()
        await provider.terminate(made.provider_id)
        assert state_of(int(escaped)) in {"", "Z"}, "ended, and perhaps not reaped yet by whoever inherited it"
        left = await asyncio.create_subprocess_exec("pgrep", "-f", ours, stdout=asyncio.subprocess.PIPE)
        (pids, _) = await left.communicate()
        assert len(pids.split()) == 1
        os.kill(int(pids), 9)

    world.run(scenario())


def test_offers_are_what_the_machines_have(world: SshWorld) -> None:
    async def scenario() -> None:
        provider = world.provider()
        (offer,) = await provider.offers()
        assert (offer.cloud, offer.region, offer.vcpus) == ("ssh", "desks", float(len(os.sched_getaffinity(0))))
        assert offer.price_ondemand_usd_h == 0.1
        made = await provider.launch(world.request(), "token-1")
        assert [i.address for i in await provider.describe(own(world.request()))] == [made.address]
        assert made.address.startswith("127.0.0.")
        await provider.terminate(made.provider_id)
        assert (await provider.check()).startswith("3 of 3 machines answer")

    world.run(scenario())


def state_of(pid: int) -> str:
    """The process's state as /proc has it; "" when there is none."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0]
    except OSError:
        return ""
