"""What bills go by: no jump of the wall clock, and no restart of the daemon after one, changes what an instance has cost."""

from __future__ import annotations

import pytest

from tests.broker.harness import Running, job_request, run, task
from tests.broker.scripted import ScriptedCloud
from tradewind.broker.store import costs
from tradewind.broker.store.database import Store
from tradewind.broker.store.meter import kernel_count, meter, this_boot

YEAR_S = 365 * 86400.0


class Clocks:
    """A wall clock that anybody may set, and the kernel's count, both moved by hand."""

    def __init__(self) -> None:
        self.wall_s, self.count_s = 1.8e9, 5000.0

    def pass_s(self, seconds: float) -> None:
        self.wall_s, self.count_s = self.wall_s + seconds, self.count_s + seconds

    def wall(self) -> float:
        return self.wall_s

    def count(self) -> float:
        return self.count_s


@pytest.mark.parametrize("jump_s", [YEAR_S, -YEAR_S])
@pytest.mark.parametrize("ended_by_the_next_daemon", [False, True])
def test_a_jump_of_the_wall_clock_enters_no_bill(tmp_path, jump_s, ended_by_the_next_daemon):
    clocks, cloud = Clocks(), ScriptedCloud()

    def metered() -> Running:
        store = Store(str(tmp_path / "data"))
        by = meter(store, wall=clocks.wall, count=clocks.count, boot=7)
        store.close()
        return Running(str(tmp_path / "data"), cloud, clock=clocks.wall, meter=by)

    async def end(r: Running, job: int) -> None:
        for agent in cloud.agents.values():
            agent.finish("1-1")
        await r.until("it ends", lambda: r.job_state(job) == "SUCCEEDED")
        await r.until("nothing costs any more", lambda: not any(one.running for one in r.broker.bill(job).instances))

    async def scenario():
        async with metered() as r:
            job = await r.broker.submit(job_request(task("wait")))
            await r.until("it runs", lambda: r.job_state(job) == "RUNNING")
            clocks.pass_s(1800)
            clocks.wall_s += jump_s
            clocks.pass_s(1800)
            assert r.broker.bill(job).node_hours == 1.0
            if not ended_by_the_next_daemon:
                await end(r, job)
        async with metered() as r:
            if ended_by_the_next_daemon:
                await end(r, job)
            bill = r.broker.bill(job)
            assert bill.node_hours == 1.0
            total = r.store.read(lambda c: costs.totals(c, r.broker.services.metered()))
            assert float(total[True].usd) == pytest.approx(bill.spent_usd)

    run(scenario())


def test_once_nothing_runs_or_after_a_boot_it_shows_the_wall_clock_again(tmp_path):
    clocks = Clocks()
    store = Store(str(tmp_path / "data"))
    try:
        before = meter(store, wall=clocks.wall, count=clocks.count, boot=7)
        assert before() == clocks.wall_s
        clocks.wall_s += YEAR_S
        assert before() == clocks.wall_s - YEAR_S
        assert meter(store, wall=clocks.wall, count=clocks.count, boot=7)() == clocks.wall_s, "nothing runs"
    finally:
        store.close()


def test_the_kernel_counts_and_tells_its_boot() -> None:
    first = kernel_count()
    assert kernel_count() >= first
    assert 0 <= this_boot() < 1 << 62
    assert this_boot() == this_boot()
