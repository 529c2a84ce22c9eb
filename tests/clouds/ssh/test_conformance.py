"""Machines of one's own pass what every provider must pass."""

from __future__ import annotations

import asyncio

import pytest

from clouds.conformance import ProviderConformance, own, refused
from clouds.ssh.conftest import SshWorld
from tradewind.broker.clouds.ssh import SshProvider


class TestConformance(ProviderConformance):
    @pytest.fixture(autouse=True)
    def hung_up(self, world: SshWorld, monkeypatch: pytest.MonkeyPatch) -> None:
        """Connections belong to the loop of the test: they are closed within it."""
        monkeypatch.setattr("clouds.conformance.run", world.run)

    def test_refused_credentials(self, world: SshWorld) -> None:
        """A machine that does not let us in may be anybody's trouble: only one that we hold, or all of them at a check, is ours."""

        async def scenario() -> None:
            provider, request = world.provider(), world.request()
            world.forbid()
            error = await refused(provider.check())
            assert provider.classify(error).kind == "permission"
            assert "ssh-copy-id" in provider.classify(await refused(provider.capacity(provider.machines()[0]))).why
            assert await provider.describe(own(request)) == []

        world.run(scenario())

    def test_a_held_machine_that_is_silent_is_not_taken_for_gone(self, world: SshWorld) -> None:
        async def scenario() -> None:
            provider, request = world.provider(), world.request()
            made = await provider.launch(request, "token-1")
            (machine,) = [m for m in world.machines if m.home.joinpath(".tradewind/slot.json").exists()]
            await asyncio.to_thread(machine.stop)
            error = await refused(world.provider().describe(own(request)))
            assert error.code == "SshUnreachable"
            await asyncio.to_thread(machine.start)
            await provider.terminate(made.provider_id)

        world.run(scenario())

    def test_busy_machines_say_who_has_them(self, world: SshWorld) -> None:
        async def scenario() -> None:
            provider: SshProvider = world.provider()
            world.exhaust(world.request())
            error = await refused(provider.launch(world.request(), "token-1"))
            assert "m0 is lent to night-run of bob" in str(error)

        world.run(scenario())
