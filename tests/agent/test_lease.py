"""The lease: renewed it lasts, moved forward it ends sooner."""

from __future__ import annotations

import asyncio
import time

import pytest

from tradewind.agent.lease import START_GRACE_S, Lease, at_start


def test_it_ends_at_its_second(run):
    until = time.time() + 0.15
    run(Lease(until).expired())
    assert until <= time.time() < until + 0.5


def test_one_that_is_over_ends_at_once(run):
    run(asyncio.wait_for(Lease(1.0).expired(), 1))


def test_an_agent_that_starts_when_its_lease_is_over_waits_to_be_given_another():
    """Its machine was stopped for a night, and is started again."""
    assert at_start(100.0, 5000.0) == 5000.0 + START_GRACE_S
    assert at_start(6000.0, 5000.0) == 6000.0
    assert at_start(0.0, 5000.0) == 0.0, "none was ever given"


def test_moving_it(run):
    async def scenario():
        lease = Lease(0.0)  # none was ever given
        waiting = asyncio.create_task(lease.expired())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(waiting), 0.05)
        lease.renew(time.time() + 1000)
        lease.renew(time.time() + 0.05)
        await asyncio.wait_for(waiting, 1)

    run(scenario())
