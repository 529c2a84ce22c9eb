"""Releasing a cluster removes what refused launches made besides instances, at each cloud that has such things."""

from __future__ import annotations

import types

import pytest

from clouds.azure.world import azure_world
from clouds.conformance import refused, run
from clouds.gcp.world import gcp_world
from tradewind.broker.provision.release import end_strays


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
