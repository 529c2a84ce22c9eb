from __future__ import annotations

from clouds.conformance import run
from clouds.gcp.world import GcpWorld, offer, request
from tradewind.broker.clouds.gcp import naming, network

ANYWHERE = "0.0.0.0/0"


def test_ssh_from_the_given_networks_all_among_the_nodes_and_nothing_else() -> None:
    made = {rule["name"]: rule for rule in network.rules("tw-0123456789", "default", {"o": "1"}, ["192.0.2.0/24"])}
    ssh, peers, closed = (made[f"tw-0123456789-{name}"] for name in ("ssh", "peers", "closed"))
    assert ssh["source_ranges"] == ["192.0.2.0/24"]
    assert ssh["allowed"] == [{"I_p_protocol": "tcp", "ports": ["22"]}]
    assert peers["source_tags"] == ["tw-0123456789"]
    assert "source_ranges" not in peers
    # a lower number wins: what the default network opens to the whole project (65534) is shut again
    assert peers["priority"] < closed["priority"] < 65534
    assert closed["denied"] == [{"I_p_protocol": "all"}]
    assert all(rule["target_tags"] == ["tw-0123456789"] for rule in made.values())
    assert all(naming.read_tags(rule["description"]) == {"o": "1"} for rule in made.values())


def test_the_rules_are_made_once_for_a_gang(world: GcpWorld) -> None:
    async def scenario() -> None:
        import asyncio

        provider = world.provider()
        made = await asyncio.gather(*(provider.launch(request(f"i-{r}", rank=r), f"t{r}") for r in range(4)))
        assert world.cloud.journal.count("compute.firewalls.insert") == 3
        await asyncio.gather(*(provider.terminate(i.provider_id) for i in made))

    run(scenario())


def test_ports_are_added_to_those_that_are_open(world: GcpWorld) -> None:
    async def scenario() -> None:
        provider = world.provider()
        made = await provider.launch(request(), "t")
        await provider.open_ports([made.provider_id], [8080])
        await world.provider().open_ports([made.provider_id], [9090, 8080])
        (rule,) = [f for name, f in world.cloud.compute.firewalls.items() if name.endswith("-ports")]
        assert rule["allowed"] == [{"IPProtocol": "tcp", "ports": ["8080", "9090"]}]
        assert rule["sourceRanges"] == [ANYWHERE]
        await provider.terminate(made.provider_id)

    run(scenario())


def test_a_launch_under_way_keeps_the_rules_that_the_last_terminate_would_remove(world: GcpWorld) -> None:
    async def scenario() -> None:
        import asyncio

        provider = world.provider()
        first = await provider.launch(request("i-1"), "t1")
        world.cloud.compute.polls = 5
        second = asyncio.create_task(provider.launch(request("i-2", offer=offer(zone="us-central1-b")), "t2"))
        while world.cloud.journal.count("compute.instances.insert") < 2:  # noqa: ASYNC110  the fake lives in threads
            await asyncio.sleep(0.005)
        await provider.terminate(first.provider_id)
        made = await second
        assert len(world.cloud.compute.firewalls) == 3
        await provider.terminate(made.provider_id)

    run(scenario())


def test_rules_that_somebody_removed_are_made_again(world: GcpWorld, monkeypatch) -> None:
    async def scenario() -> None:
        provider = world.provider()
        first = await provider.launch(request("i-1"), "t1")
        world.cloud.compute.firewalls.clear()
        monkeypatch.setattr(network, "TRUSTED_S", 0.0)
        second = await provider.launch(request("i-2"), "t2")
        assert len(world.cloud.compute.firewalls) == 3
        for instance in (first, second):
            await provider.terminate(instance.provider_id)

    run(scenario())
