from __future__ import annotations

import pytest

from clouds.conformance import refused, run
from clouds.gcp.world import GcpWorld, offer, request

V6E = offer("tpu-v6e-4", accelerator="tpu-v6e", accelerator_count=4.0, zone="us-east5-b", region="us-east5", vcpus=None)


def tpu(instance_type: str, zone: str = "us-central1-a"):
    return offer(instance_type, accelerator="tpu", accelerator_count=4.0, zone=zone, region=zone[:-2], vcpus=None)


@pytest.mark.parametrize(
    "instance_type", ["tpu-v2-8", "tpu-v3-8", "tpu-v4-8", "tpu-v5litepod-4", "tpu-v5p-8", "tpu-v6e-8"]
)
def test_every_generation_boots_its_own_software(world: GcpWorld, instance_type: str) -> None:
    async def scenario() -> None:
        provider = world.provider()
        made = await provider.launch(request(offer=tpu(instance_type), use_spot=True), "t")
        (node,) = world.cloud.tpu.nodes.values()
        assert node["schedulingConfig"] == {"spot": True}
        assert made.state == "RUNNING"
        assert made.public_address
        await provider.terminate(made.provider_id)

    run(scenario())


def test_a_life(world: GcpWorld) -> None:
    async def scenario() -> None:
        provider, wanted = world.provider(), request(offer=V6E)
        made = await provider.launch(wanted, "t")
        again = await world.provider().launch(wanted, "t")
        assert again.provider_id == made.provider_id
        assert world.live() == 1
        assert [i.state for i in await provider.describe(wanted.tags)] == ["RUNNING"]
        for _ in range(2):
            await provider.stop(made.provider_id)
        assert [i.state for i in await provider.describe(wanted.tags)] == ["STOPPED"]
        for _ in range(2):
            await provider.start(made.provider_id)
        assert [i.state for i in await provider.describe(wanted.tags)] == ["RUNNING"]
        assert await provider.console(made.provider_id) == ""
        for _ in range(2):
            await provider.terminate(made.provider_id)

    run(scenario())


def test_its_host_keys_are_read_and_pinned(world: GcpWorld) -> None:
    pinned = []

    async def connect(instance, keys):
        pinned.append((instance.public_address, tuple(keys)))

    async def scenario() -> None:
        provider = world.provider()
        provider._connector = connect
        made = await provider.launch(request(offer=V6E), "t")
        world.cloud.tpu.host_keys[made.provider_id.partition("/")[2]] = "AAAAC3host"
        await provider.connect(made)
        await provider.terminate(made.provider_id)
        assert pinned == [(made.public_address, ("ssh-ed25519 AAAAC3host",))]

    run(scenario())


@pytest.mark.parametrize("stays", [True, False])
def test_no_capacity_leaves_no_node(world: GcpWorld, stays: bool) -> None:
    async def scenario() -> None:
        world.cloud.tpu.keep_failed = stays
        world.cloud.tpu.capacity["us-east5-b", "v6e-4", False] = 0
        provider = world.provider()
        blocked = provider.classify(await refused(provider.launch(request(offer=V6E), "t")))
        assert (blocked.kind, blocked.scope) == ("capacity", "type")
        assert world.cloud.tpu.nodes == {}
        await provider.sweep({"tradewind-cluster": "c1"})

    run(scenario())


def test_a_preempted_node_is_said_to_be_and_swept(world: GcpWorld) -> None:
    async def scenario() -> None:
        provider = world.provider()
        made = await provider.launch(request(offer=V6E, use_spot=True), "t")
        world.cloud.tpu.reclaim(made.provider_id.partition("/")[2])
        (seen,) = await provider.describe({"tradewind-cluster": "c1"})
        assert (seen.state, "spot" in seen.reason) == ("TERMINATED", True)
        assert any(made.provider_id in name for name in await provider.leftovers({"tradewind-cluster": "c1"}))
        await provider.sweep({"tradewind-cluster": "c1"})

    run(scenario())


def test_a_project_without_the_tpu_api_is_asked_once(world: GcpWorld) -> None:
    async def scenario() -> None:
        world.cloud.tpu.enabled = False
        provider = world.provider()
        for _ in range(3):
            assert await provider.describe({"tradewind-cluster": "c1"}) == []
        assert world.cloud.journal.count("tpu.*.list") == 1

    run(scenario())


def test_a_pod_is_refused_before_anything_is_made(world: GcpWorld) -> None:
    async def scenario() -> None:
        provider = world.provider()
        error = await refused(provider.launch(request(offer=tpu("tpu-v6e-16")), "t"))
        assert "several hosts" in str(error)
        assert provider.classify(error).scope == "type"
        await provider.sweep({"tradewind-cluster": "c1"})

    run(scenario())
