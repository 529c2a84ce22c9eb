"""What a launch leaves besides instances: found by tag, removed when it serves none, left alone when it is another's."""

from __future__ import annotations

from clouds.conformance import refused, run
from clouds.gcp.world import GcpWorld, request

CLUSTER = {"tradewind-owner": "Owner.1", "tradewind-cluster": "c1"}


def test_rules_of_a_refused_launch(world: GcpWorld) -> None:
    async def scenario() -> None:
        world.exhaust(request())
        await refused(world.provider().launch(request(), "t"))
        provider = world.provider()
        found = await provider.leftovers(CLUSTER)
        assert len(found) == 3
        assert sorted(await provider.sweep(CLUSTER)) == sorted(found)

    run(scenario())


def test_a_disk_that_outlived_its_instance(world: GcpWorld) -> None:
    async def scenario() -> None:
        provider = world.provider()
        made = await provider.launch(request(), "t")
        (machine,) = world.cloud.compute.machines.values()
        machine.body["disks"][0]["autoDelete"] = False  # somebody changed it by hand
        await provider.terminate(made.provider_id)
        assert [name for name in await provider.leftovers(CLUSTER) if "/disks/" in name]
        await provider.sweep(CLUSTER)

    run(scenario())


def test_what_serves_an_instance_or_another_owner_stays(world: GcpWorld) -> None:
    async def scenario() -> None:
        provider = world.provider()
        made = await provider.launch(request(), "t")
        assert await provider.sweep(CLUSTER) == []
        assert await provider.sweep({"tradewind-owner": "somebody else"}) == []
        assert len(world.cloud.compute.firewalls) == 3
        await provider.terminate(made.provider_id)

    run(scenario())
