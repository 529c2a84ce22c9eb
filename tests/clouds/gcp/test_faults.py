"""A crash at every call of launch, stop, start and terminate; and seeded storms. Nothing bought twice, nothing left."""

from __future__ import annotations

import asyncio

import pytest

from clouds.conformance import run
from clouds.gcp.world import GcpWorld, gcp_world, offer, request
from tradewind.broker.provider import Instance, ProviderError

CLUSTER = {"tradewind-cluster": "c1"}
TPU = offer("tpu-v6e-4", accelerator="tpu-v6e", zone="us-east5-b", region="us-east5", vcpus=None)


async def life(provider, wanted) -> None:
    made = await provider.launch(wanted, "t")
    await provider.stop(made.provider_id)
    await provider.start(made.provider_id)
    await provider.terminate(made.provider_id)


async def crash_at(world: GcpWorld, wanted, call: int) -> bool:
    """Run a life and drop it when its call number `call` has reached the cloud; False if it made fewer calls."""
    provider, loop = world.provider(), asyncio.get_running_loop()
    task = asyncio.create_task(life(provider, wanted))
    seen = 0

    def count(name: str) -> None:
        nonlocal seen
        seen += 1
        if seen == call:
            loop.call_soon_threadsafe(task.cancel)

    world.cloud.journal.on_call = count
    try:
        await task
    except asyncio.CancelledError:
        return True
    finally:
        provider.close()  # the call under way still reaches the cloud, as it would have
        world.cloud.journal.on_call = None
    return False


async def reconcile(world: GcpWorld, wanted) -> None:
    """What a restarted daemon does: adopt by the same token, or end what is there."""
    provider = world.provider()
    found = await provider.describe(CLUSTER)
    assert len(found) <= 1
    try:
        made: Instance = found[0] if found else await provider.launch(wanted, "t")
    except ProviderError as error:
        assert error.code == "VANISHED", error  # noqa: PT017  either may happen; it had been bought and ended: the token buys no second one
    else:
        assert world.live() == 1
        await provider.terminate(made.provider_id)
    await provider.sweep(CLUSTER)
    assert world.held() == []


@pytest.mark.parametrize("kind", ["instance", "tpu"])
def test_a_crash_at_every_call(kind: str) -> None:
    wanted = request() if kind == "instance" else request(offer=TPU)

    async def scenario() -> int:
        call = 0
        while True:
            call += 1
            with gcp_world() as world:
                if not await crash_at(world, wanted, call):
                    return call
                # an instance that the dead daemon was terminating, or had terminated, is bought again by nobody
                if not world.held():
                    continue
                await reconcile(world, wanted)

    calls = asyncio.run(asyncio.wait_for(scenario(), 60))
    assert calls > 12


@pytest.mark.parametrize("seed", range(6))
def test_a_storm_of_faults(seed: int) -> None:
    methods = [
        "compute.instances.*",
        "compute.firewalls.*",
        "compute.zoneOperations.get",
        "compute.globalOperations.get",
    ]

    async def patiently(call):
        for _ in range(40):
            try:
                return await call()
            except ProviderError as error:
                blocked = provider.classify(error)
                assert blocked.kind in ("transient", "throttle"), error  # noqa: PT017  none may happen too
        pytest.fail("the storm never ended")

    with gcp_world() as world:
        world.cloud.journal.draw(seed, methods, faults=12)
        provider = world.provider()

        async def scenario() -> None:
            made = await patiently(lambda: provider.launch(request(), "t"))
            assert world.live() == 1
            await patiently(lambda: provider.terminate(made.provider_id))
            await patiently(lambda: provider.sweep(CLUSTER))

        run(scenario())
        assert world.held() == []
