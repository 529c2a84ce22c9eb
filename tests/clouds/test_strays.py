"""Releasing a cluster removes what refused launches made besides instances, at each cloud that has such things."""

from __future__ import annotations

import types

import pytest

from clouds.azure.world import azure_world
from clouds.conformance import refused, run
from clouds.gcp.world import gcp_world
from tradewind.broker.provision.release import end_strays
from tradewind.broker.store.errors import StaleWriter


@pytest.mark.parametrize("name", ["gcp", "azure"])
def test_what_a_refused_launch_left_goes_with_the_cluster(name: str) -> None:
    with {"gcp": gcp_world, "azure": azure_world}[name]() as world:

        async def scenario() -> None:
            provider, wanted = world.provider(), world.request()
            world.exhaust(wanted)
            await refused(provider.launch(wanted, "t"))
            assert world.held() != []
            store = types.SimpleNamespace(check=lambda: None)
            services = types.SimpleNamespace(providers={name: provider}, store=store)
            tags = {"tradewind-owner": "Owner.1", "tradewind-cluster": "c1"}
            assert await end_strays(services, tags, clouds=[name]) == []  # type: ignore[arg-type]
            assert world.held() == []

        run(scenario())


def test_a_daemon_that_was_superseded_while_a_cloud_answered_ends_nothing() -> None:
    def superseded() -> None:
        raise StaleWriter("/data", "daemon 1 was superseded by daemon 2")

    with gcp_world() as world:

        async def scenario() -> None:
            provider = world.provider()
            made = await provider.launch(world.request(), "t")
            services = types.SimpleNamespace(providers={"gcp": provider}, store=types.SimpleNamespace(check=superseded))
            with pytest.raises(StaleWriter):
                await end_strays(services, {"tradewind-owner": "Owner.1"}, clouds=["gcp"])  # type: ignore[arg-type]
            assert world.live() == 1
            await provider.terminate(made.provider_id)

        run(scenario())
        assert world.held() == []
