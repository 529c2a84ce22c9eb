"""Managed jobs that have a choice of markets, over a scripted cloud, a small catalog and a clock that is set: back to spot when it returns, on
demand in time for a deadline, and a strategy of one's own."""

from __future__ import annotations

import contextlib
import importlib.metadata
import time

import pytest

from tests.broker.harness import Running, job_request, run
from tests.broker.scripted import ScriptedCloud
from tradewind.broker.jobs.planning import CatalogPlanner
from tradewind.broker.jobs.plans import PlanRefused
from tradewind.broker.jobs.standing_now import LEAST_LEFT, has_choice, position, worked_h
from tradewind.broker.jobs.strategy import STRATEGIES, Try, strategy_named
from tradewind.broker.server.requests import Refusal
from tradewind.broker.store import rows
from tradewind.broker.store.records import AttemptRow
from tradewind.spec import SpecError, parse_task

OFFERS = """cloud,instance_type,arch,vcpus,memory_gib,region,zone,price_ondemand_usd_h,price_spot_usd_h
aws,big,x86_64,8,32,us-east-1,use1-az1,1.00,0.30
"""
EITHER = "run: wait\nresources: {any_of: [{cpus: 8, use_spot: true}, {cpus: 8}]}\n"
DEADLINE = "run: wait\nresources: {cpus: 8, use_spot: true}\ndeadline: 20h\n"


class Clock:
    """Real time, and what it has been set forward by."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead_s


@pytest.fixture
def world(tmp_path):
    (tmp_path / "offers.csv").write_text(OFFERS)

    @contextlib.asynccontextmanager
    async def opened():
        clock, cloud = Clock(), ScriptedCloud()
        async with Running(str(tmp_path / "data"), cloud, planner=CatalogPlanner(), clock=clock) as made:
            made.clock, made.offers = clock, str(tmp_path / "offers.csv")
            yield made

    return opened


async def launch(r, text, hours=10.0):
    job = await r.broker.submit(job_request(parse_task(text, "t.yaml", "/"), catalog=r.offers, hours=hours))
    await r.until("it runs", lambda: r.job_state(job) == "RUNNING")
    return job


def markets(r):
    return sorted(r.cloud.requests[p].use_spot for p in r.cloud.running())


async def settled(r, *, use_spot):
    await r.until("it stands there alone", lambda: markets(r) == [use_spot] and r.job_state() == "RUNNING")


def test_back_to_spot_when_it_returns_and_pays(world):
    async def scenario():
        async with world() as r:
            job = await launch(r, EITHER)
            assert markets(r) == [True]
            r.cloud.kill(r.cloud.running()[0], "taken")
            await r.until("it fell back", lambda: markets(r) == [False] and r.broker.managed_job(job).recoveries == 1)
            await r.broker.markets.look()
            assert markets(r) == [False], "spot has only just been lost"
            r.clock.ahead_s += 700
            await r.broker.markets.look()
            await settled(r, use_spot=True)
            assert [a.end for a in r.store.read(lambda c: rows.attempts_of(c, job))] == ["preempted", "moved", ""]
            await r.broker.markets.look()
            assert not r.broker.managed_job(job).course.moving, "it is well where it is"

    run(scenario())


def test_nearly_done_it_stays_on_demand(world):
    async def scenario():
        async with world() as r:
            job = await launch(r, EITHER)
            r.cloud.kill(r.cloud.running()[0], "taken")
            await r.until("it fell back", lambda: markets(r) == [False] and r.broker.managed_job(job).recoveries == 1)
            r.clock.ahead_s += 9.99 * 3600
            await r.broker.markets.look()
            assert not r.broker.managed_job(job).course.moving, "the move would cost more than what is left"

    run(scenario())


def test_a_deadline_takes_spot_while_there_is_slack_and_on_demand_in_time(world):
    async def scenario():
        async with world() as r:
            job = await launch(r, DEADLINE)
            assert markets(r) == [True]
            await r.broker.markets.look()
            assert not r.broker.managed_job(job).course.moving
            r.clock.ahead_s += 11 * 3600  # eleven hours in which nothing was kept
            r.cloud.kill(r.cloud.running()[0], "taken")
            await settled(r, use_spot=False)
            assert "slack" not in r.broker.managed_job(job).why

    run(scenario())


def test_a_deadline_waits_for_spot_while_that_costs_nothing(world):
    async def scenario():
        async with world() as r:
            job = await launch(r, DEADLINE)
            r.cloud.kill(r.cloud.running()[0], "taken")
            await r.until("it waits", lambda: "no spot machine can be had now" in r.broker.managed_job(job).why)
            assert r.job_state() == "RECOVERING"

    run(scenario())


def test_a_strategy_of_ones_own(world, monkeypatch):
    asked = []

    def stay(task, lost, blocks):
        asked.append((lost.zone, len(blocks)))
        return (Try(task, ()),)

    class Brought(importlib.metadata.EntryPoint):
        def load(self):
            return stay

    def points(*, group, name=None):
        found = importlib.metadata.EntryPoints([Brought("stay", "somewhere:stay", "tradewind.strategies")])
        return found.select(group=group) if name is None else found.select(group=group, name=name)

    monkeypatch.setattr(importlib.metadata, "entry_points", points)

    async def scenario():
        async with world() as r:
            await launch(r, "run: wait\nresources: {cpus: 8, use_spot: true, job_recovery: stay}\n")
            r.cloud.kill(r.cloud.running()[0], "taken")
            await r.until("it recovers", lambda: r.broker.managed_job(1).recoveries == 1)
            assert asked == [("use1-az1", 1)]

    run(scenario())
    with pytest.raises(PlanRefused, match="no installed package brings the recovery strategy gone"):
        strategy_named("gone")
    with pytest.raises(SpecError, match="is none of eager, failover, deadline"):
        parse_task("run: x\nresources: {job_recovery: gone}\n", "t.yaml", "/")
    assert set(STRATEGIES) == {"eager", "failover", "deadline"}


def test_deadline_as_a_strategy_needs_a_deadline(world):
    async def scenario():
        async with world() as r:
            with pytest.raises(Refusal, match="the strategy deadline needs one"):
                await launch(r, "run: wait\nresources: {cpus: 8, use_spot: true, job_recovery: deadline}\n")

    run(scenario())


def test_what_is_done_and_what_is_left():
    def attempt(started, ended, end):
        return AttemptRow(1, 1, 1, 1, "p", "1", started, ended, end, "")

    h = 3600.0
    assert worked_h([attempt(0, h, "preempted")], [], 9 * h) == 0
    assert worked_h([attempt(0, h, "preempted")], [0.5 * h, 2 * h], 9 * h) == 0.5
    assert worked_h([attempt(0, h, "moved"), attempt(2 * h, None, "")], [], 3 * h) == 2
    task = parse_task(EITHER, "t.yaml", "/")
    assert has_choice(task)
    assert not has_choice(parse_task("run: x\nresources: {cpus: 8, use_spot: true}\n", "t.yaml", "/"))

    class Row:
        created_unix = 0.0

    assert position(Row, None, done_h=2, whole_h=10, now=3 * h).left == pytest.approx(0.8)
    assert position(Row, None, done_h=20, whole_h=10, now=3 * h).left == LEAST_LEFT
    assert position(Row, None, done_h=0, whole_h=10, now=3 * h).elapsed_h == 3
