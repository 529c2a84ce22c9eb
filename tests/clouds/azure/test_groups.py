"""A resource group a cluster and region: made once, kept while it is needed, gone with all that is in it."""

from __future__ import annotations

import asyncio

from clouds.azure.world import AzureWorld, offer, request
from clouds.conformance import refused, run
from tradewind.broker.clouds.azure import network

CLUSTER = {"tradewind-owner": "Owner.1", "tradewind-cluster": "c1"}
WRITE = "Microsoft.Resources/subscriptions/resourceGroups/write"
DELETE = "Microsoft.Resources/subscriptions/resourceGroups/delete"


def test_ssh_from_the_given_networks_and_nothing_else() -> None:
    (rule,) = network.firewall("eastus", {}, ["192.0.2.0/24"])["properties"]["securityRules"]
    assert rule["properties"]["sourceAddressPrefixes"] == ["192.0.2.0/24"]
    assert rule["properties"]["destinationPortRanges"] == ["22"]
    assert rule["properties"]["access"] == "Allow"


def test_it_is_made_once_for_a_gang_and_deleted_once(world: AzureWorld) -> None:
    async def scenario() -> None:
        provider = world.provider()
        made = await asyncio.gather(*(provider.launch(request(f"i-{r}", rank=r), f"t{r}") for r in range(4)))
        assert world.cloud.journal.count(WRITE) == 1
        await asyncio.gather(*(provider.terminate(i.provider_id) for i in made))
        assert world.cloud.journal.count(DELETE) == 1
        assert world.cloud.journal.count("Microsoft.Compute/virtualMachines/delete") == 0, "the group takes them along"

    run(scenario())


def test_one_of_a_gang_ends_alone(world: AzureWorld) -> None:
    async def scenario() -> None:
        provider = world.provider()
        one, two = [await provider.launch(request(f"i-{r}", rank=r), f"t{r}") for r in range(2)]
        await provider.terminate(one.provider_id)
        (seen,) = await provider.describe(CLUSTER)
        assert seen.instance_id == "i-1"
        kinds = [body["type"] for body in world.cloud.arm.resources.values()]
        assert kinds.count("Microsoft.Network/publicIPAddresses") == 1
        await provider.terminate(two.provider_id)

    run(scenario())


def test_two_regions_are_two_groups(world: AzureWorld) -> None:
    async def scenario() -> None:
        provider = world.provider()
        one = await provider.launch(request("i-1"), "t1")
        two = await provider.launch(request("i-2", offer=offer(region="westeurope")), "t2")
        assert len(world.cloud.arm.groups) == 2
        assert len(await provider.describe(CLUSTER)) == 2
        await provider.terminate(one.provider_id)
        assert len(world.cloud.arm.groups) == 1
        await provider.terminate(two.provider_id)

    run(scenario())


def test_a_launch_waits_for_the_group_that_is_still_being_deleted(world: AzureWorld) -> None:
    async def scenario() -> None:
        provider = world.provider()
        made = await provider.launch(request("i-1"), "t1")
        world.cloud.arm.polls = 10
        ending = asyncio.create_task(world.provider().terminate(made.provider_id))
        while world.cloud.journal.count(DELETE) < 1:  # noqa: ASYNC110  the fake lives in threads
            await asyncio.sleep(0.005)
        again = await world.provider().launch(request("i-2"), "t2")
        await ending
        assert again.state == "RUNNING"
        await provider.terminate(again.provider_id)

    run(scenario())


def test_a_launch_under_way_keeps_the_group(world: AzureWorld) -> None:
    async def scenario() -> None:
        provider = world.provider()
        first = await provider.launch(request("i-1"), "t1")
        world.cloud.arm.polls = 6
        second = asyncio.create_task(provider.launch(request("i-2"), "t2"))
        await asyncio.sleep(0)
        await provider.terminate(first.provider_id)
        made = await second
        assert [i.instance_id for i in await provider.describe(CLUSTER)] == ["i-2"]
        await provider.terminate(made.provider_id)

    run(scenario())


def test_the_group_of_a_refused_launch_is_left_over_and_swept(world: AzureWorld) -> None:
    async def scenario() -> None:
        world.exhaust(request())
        await refused(world.provider().launch(request(), "t"))
        provider = world.provider()
        (group,) = await provider.leftovers(CLUSTER)
        assert await provider.sweep({"tradewind-owner": "somebody else"}) == []
        assert await provider.sweep(CLUSTER) == [group]

    run(scenario())


def test_sweeping_spares_what_holds_a_machine(world: AzureWorld) -> None:
    async def scenario() -> None:
        provider = world.provider()
        made = await provider.launch(request(), "t")
        assert await provider.sweep(CLUSTER) == []
        assert await provider.leftovers(CLUSTER) == []
        await provider.terminate(made.provider_id)

    run(scenario())


def test_ports_are_added_and_survive_the_next_launch(world: AzureWorld) -> None:
    async def scenario() -> None:
        provider = world.provider()
        made = await provider.launch(request("i-1"), "t1")
        await provider.open_ports([made.provider_id], [8080])
        await world.provider().open_ports([made.provider_id], [9090, 8080])
        other = await world.provider().launch(request("i-2"), "t2")  # a daemon that did not make the firewall
        (rule,) = [b for k, b in world.cloud.arm.resources.items() if k.endswith("/securityrules/ports")]
        assert rule["properties"]["destinationPortRanges"] == ["8080", "9090"]
        assert world.cloud.journal.count("Microsoft.Network/networkSecurityGroups/write") == 1
        for instance in (made, other):
            await provider.terminate(instance.provider_id)

    run(scenario())


def test_a_group_that_ended_itself_is_made_again(world: AzureWorld) -> None:
    async def scenario() -> None:
        provider = world.provider()
        first = await provider.launch(request("i-1"), "t1")
        task = world.cloud.arm.delete_group(
            first.provider_id.partition("/")[0]
        )  # as a machine whose lease has run out does
        task.finish()
        second = await provider.launch(request("i-2"), "t2")
        assert [i.instance_id for i in await provider.describe(CLUSTER)] == ["i-2"]
        await provider.terminate(second.provider_id)

    run(scenario())
