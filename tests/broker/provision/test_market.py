"""The rehearsed market: drawn once a gang, armed at the provider, bounded in number."""

from __future__ import annotations

from tests.broker.harness import Running, job_request, run, task
from tests.broker.scripted import ScriptedCloud
from tradewind.broker.clouds.local.market import REASON
from tradewind.broker.store import rows
from tradewind.broker.store.records import Market


class Rehearsing(ScriptedCloud):
    """Takes note of the reclaims it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.reclaims: list[tuple[str, float]] = []

    async def reclaim_at(self, provider_id: str, at_unix: float) -> None:
        self.reclaims.append((provider_id, at_unix))


def test_at_most_as_many_as_asked_for_and_the_same_by_seed(tmp_path):
    seen = []

    async def scenario(name):
        cloud = Rehearsing()
        async with Running(tmp_path / name, cloud) as r:
            r.planner.hold_times = lambda *_: (3600.0, 7200.0)
            r.broker._market._hold_times = r.planner.hold_times
            market = Market(seed=7, time_scale=360.0, max_reclaims=1, window_s=(0.0, 60.0))
            job = await r.broker.submit(job_request(task("wait", nodes=2), market=market))
            await r.until("it runs", lambda: r.job_state() == "RUNNING")
            ((victim, at),) = cloud.reclaims
            rank = cloud.requests[victim].rank
            (row,) = r.broker.services.store.read(
                lambda c: [i for i in rows.instances_of(c, 1) if i.provider_id == victim]
            )
            assert row.launched_unix
            seen.append((rank, round(at - row.launched_unix, 3)))
            cloud.kill(victim, REASON)
            await r.until("it recovers", lambda: r.broker.managed_job(job).recoveries == 1)
            assert len(cloud.reclaims) == 1, "one was taken, no more are drawn"
            await r.broker.cancel_managed(job)
            await r.until("it ends", lambda: r.job_state() == "CANCELLED")

    run(scenario("one"))
    run(scenario("two"))
    assert seen[0] == seen[1]
