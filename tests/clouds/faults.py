"""A crash at every call of launch, stop, start and terminate; and seeded storms. Nothing bought twice, nothing left.

A cloud's own test file says in a `Trial` what is bought and what may go wrong, and calls these.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import msgspec
import pytest

from clouds.conformance import run
from clouds.launching import CLUSTER
from clouds.wire_world import WireWorld
from tradewind.broker.provider import Kind, LaunchRequest, Provider, ProviderError

T = TypeVar("T")
STORM_FAULTS = 12


class Trial(msgspec.Struct, frozen=True):
    """`gone_codes`: how a cloud may refuse a token whose instance was bought and ended; `storm_kinds`: what a storm may be taken for."""

    open_world: Callable[[], AbstractContextManager[WireWorld]]
    wanted: LaunchRequest
    calls: Sequence[str] = ()  # patterns over the names of the calls that a storm strikes
    storm_kinds: frozenset[Kind] = frozenset({"transient", "throttle"})
    gone_codes: frozenset[str] = frozenset()


async def life(provider: Provider, wanted: LaunchRequest) -> None:
    """All that can be done with an instance, once."""
    made = await provider.launch(wanted, "t")
    await provider.stop(made.provider_id)
    await provider.start(made.provider_id)
    await provider.terminate(made.provider_id)


async def crash_at(world: WireWorld, wanted: LaunchRequest, call: int) -> bool:
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


async def reconcile(world: Any, trial: Trial) -> None:
    """What a restarted daemon does: adopt by the same token, or end what is there."""
    provider = world.provider()
    found = await provider.describe(CLUSTER)
    assert len(found) <= 1
    try:
        made = found[0] if found else await provider.launch(trial.wanted, "t")
    except ProviderError as error:
        assert error.code in trial.gone_codes, error  # noqa: PT017  either may happen
    else:
        assert world.live() == 1
        await provider.terminate(made.provider_id)
    await provider.sweep(CLUSTER)
    assert world.held() == []


def crash_everywhere(trial: Trial) -> int:
    """A crash at each call in turn leaves what the next daemon can end; the number of calls of a life, and one."""

    async def scenario() -> int:
        call = 0
        while True:
            call += 1
            with trial.open_world() as world:
                if not await crash_at(world, trial.wanted, call):
                    return call
                if world.held():  # else it was not bought yet, or ended already: nobody buys it again
                    await reconcile(world, trial)

    return run(scenario(), deadline_s=90)


def storm(trial: Trial, seed: int) -> None:
    """Seeded faults on every call: with patience one instance is bought, and ended without a trace."""
    with trial.open_world() as world:
        held: Any = world
        world.cloud.journal.draw(seed, list(trial.calls), faults=STORM_FAULTS)
        provider = world.provider()

        async def patiently(call: Callable[[], Awaitable[T]]) -> T:
            for _ in range(40):
                try:
                    return await call()
                except ProviderError as error:
                    assert provider.classify(error).kind in trial.storm_kinds, error  # noqa: PT017  none may happen too
            pytest.fail("the storm never ended")

        async def scenario() -> None:
            made = await patiently(lambda: provider.launch(trial.wanted, "t"))
            assert held.live() == 1
            await patiently(lambda: provider.terminate(made.provider_id))
            await patiently(lambda: provider.sweep(CLUSTER))

        run(scenario())
        assert held.held() == []
