"""Machines of one's own under a crash after every order of an instance's life: never two taken, nothing left."""

from __future__ import annotations

import json

import pytest

from clouds.launching import CLUSTER
from clouds.ssh.conftest import SshWorld
from tradewind.broker.clouds.ssh.provider import SshProvider
from tradewind.broker.provider import RunResult
from tradewind.broker.provision.ssh_transport import SshTransport

TWO = 2  # machines: enough to take a second one by mistake


class Died(BaseException):
    """The process is gone: nothing in it handles that."""


class Deaths:
    """Counts the orders that reach machines, and dies after the one of that number."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.after, self.seen = 0, 0
        order = SshProvider._order

        async def counted(provider: SshProvider, line: SshTransport, script: str) -> RunResult:
            if self.after and self.seen >= self.after:
                raise Died  # what ran beside the one that died gives no order either
            done = await order(provider, line, script)
            self.seen += 1
            if self.seen == self.after:
                raise Died
            return done

        monkeypatch.setattr(SshProvider, "_order", counted)


def fresh(world: SshWorld) -> SshProvider:
    """A provider that knows nothing of those before it; only their connections are used again, which take most of the time."""
    provider = world.provider()
    provider._lines = world.made[0]._lines
    return provider


async def life(world: SshWorld) -> None:
    """All that can be done with a machine of one's own, once."""
    provider = fresh(world)
    made = await provider.launch(world.request(), "t")
    await provider.lease(made.provider_id, 2e9)
    await provider.terminate(made.provider_id)


async def reconcile(world: SshWorld) -> None:
    """What a restarted daemon does: adopt by the same token, or end what is there."""
    provider = fresh(world)
    found = await provider.describe(CLUSTER)
    assert len(found) == world.live() <= 1
    made = await provider.launch(world.request(), "t")
    assert not found or made.provider_id == found[0].provider_id
    assert world.live() == 1
    await provider.terminate(made.provider_id)
    assert world.held() == []


def test_a_crash_after_every_order(world: SshWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = json.loads(world.path.read_text())
    hosts["desks"]["hosts"] = hosts["desks"]["hosts"][:TWO]
    world.path.write_text(json.dumps(hosts))
    deaths = Deaths(monkeypatch)

    async def scenario() -> None:
        await life(world)
        assert world.held() == []
        orders = deaths.seen
        assert orders > 6
        for number in range(1, orders + 1):
            deaths.seen, deaths.after = 0, number
            with pytest.raises(Died):
                await life(world)
            deaths.after = 0
            await reconcile(world)

    world.run(scenario())


def test_what_a_launch_remembered_that_died_before_it_took_a_machine_is_forgotten(world: SshWorld) -> None:
    """Else the machine could not be switched off without every question about it failing."""

    async def scenario() -> None:
        dead = world.provider()
        dead._remember("i-dead", "m0")
        assert await world.provider().describe({"tradewind-instance": "i-dead"}) == []
        assert world.held() == []

    world.run(scenario())


def test_no_order_is_given_that_the_guard_refuses(world: SshWorld) -> None:
    async def scenario() -> None:
        provider = world.provider()
        made = await provider.launch(world.request(), "t")

        def superseded() -> None:
            raise RuntimeError("another daemon has taken over")

        provider.guard(superseded)
        for call in (provider.launch(world.request("i-two"), "t2"), provider.terminate(made.provider_id)):
            with pytest.raises(RuntimeError, match="has taken over"):
                await call
        assert world.live() == 1
        await world.provider().terminate(made.provider_id)
        assert world.held() == []

    world.run(scenario())
