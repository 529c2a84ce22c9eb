"""A crash at every call of launch, stop, start and terminate; and seeded storms. Nothing bought twice, nothing left."""

from __future__ import annotations

import asyncio

import pytest

from clouds.azure.world import AzureWorld, azure_world, request
from clouds.conformance import run
from tradewind.broker.provider import ProviderError

CLUSTER = {"tradewind-cluster": "c1"}


async def life(provider) -> None:
    made = await provider.launch(request(), "t")
    await provider.stop(made.provider_id)
    await provider.start(made.provider_id)
    await provider.terminate(made.provider_id)


async def crash_at(world: AzureWorld, call: int) -> bool:
    """Run a life and drop it when its call number `call` has reached the cloud; False if it made fewer calls."""
    provider, loop = world.provider(), asyncio.get_running_loop()
    task = asyncio.create_task(life(provider))
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


def test_a_crash_at_every_call() -> None:
    async def scenario() -> int:
        call = 0
        while True:
            call += 1
            with azure_world() as world:
                if not await crash_at(world, call):
                    return call
                if not world.held():
                    continue
                # a restarted daemon adopts by the same token, or ends what is there
                provider = world.provider()
                found = await provider.describe(CLUSTER)
                assert len(found) <= 1
                made = found[0] if found else await provider.launch(request(), "t")
                assert world.live() == 1
                await provider.terminate(made.provider_id)
                await provider.sweep(CLUSTER)
                assert world.held() == []

    assert asyncio.run(asyncio.wait_for(scenario(), 90)) > 15


# the SDK does not close the answers that its retries throw away (it asks for them as streams); the collector does
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
@pytest.mark.parametrize("seed", range(6))
def test_a_storm_of_faults(seed: int) -> None:
    methods = [
        "Microsoft.Compute/virtualMachines/*",
        "Microsoft.Network/*",
        "Microsoft.Resources/*",
        "*/operations/read",
    ]

    async def patiently(call):
        for _ in range(40):
            try:
                return await call()
            except ProviderError as error:
                assert provider.classify(error).kind in ("transient", "throttle", "fatal"), error  # noqa: PT017  none may happen too
        pytest.fail("the storm never ended")

    with azure_world() as world:
        world.cloud.journal.draw(seed, methods, faults=12)
        provider = world.provider()

        async def scenario() -> None:
            made = await patiently(lambda: provider.launch(request(), "t"))
            assert world.live() == 1
            await patiently(lambda: provider.terminate(made.provider_id))
            await patiently(lambda: provider.sweep(CLUSTER))

        run(scenario())
        assert world.held() == []
