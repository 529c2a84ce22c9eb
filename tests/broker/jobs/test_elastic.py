"""Elastic gangs over a scripted cloud: the program goes on with the nodes that are left, and with all of them once a replacement has joined."""

from __future__ import annotations

import msgspec
import pytest

from tests.broker.harness import Running, job_request, run, task
from tests.broker.scripted import ScriptedCloud
from tradewind.agent import protocol as wire
from tradewind.broker.provider import ProviderError
from tradewind.broker.provision import refill
from tradewind.broker.store import rows


@pytest.fixture
def directory(tmp_path):
    return str(tmp_path / "data")


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(refill, "FIRST_PAUSE_S", 0.05)


def elastic(nodes=3):
    return msgspec.structs.replace(task("wait", nodes=nodes), elastic=True)


def full():
    return ProviderError("local", "full", "no room")


async def at_size(r, nodes, attempt):
    """The job runs in this attempt on so many nodes, which know each other by ranks from 0."""

    def holds():
        job = r.broker.managed_job(1)
        return job.state == "RUNNING" and job.attempt == attempt and len(now_running(r, attempt)) == nodes

    await r.until(f"attempt {attempt} runs on {nodes} nodes", holds)
    agents = now_running(r, attempt)
    assert sorted(agent.configured.rank for agent in agents) == list(range(nodes))
    assert {len(agent.configured.node_ips) for agent in agents} == {nodes}


def now_running(r, attempt):
    agents = [r.cloud.agents[p] for p in r.cloud.running()]
    return [a for a in agents if (info := a.jobs.get((f"1-{attempt}", "run"))) is not None and info.state == "RUNNING"]


def attempts(r):
    return [one.end for one in r.store.read(lambda c: rows.attempts_of(c, 1))]


async def end(r, attempt):
    for agent in now_running(r, attempt):
        agent.finish(f"1-{attempt}")
    await r.until("it ends", lambda: r.job_state() == "SUCCEEDED")
    await r.until("its cluster goes", lambda: r.cluster_state("t-1") == "TERMINATED")
    assert r.cloud.instances == {}, "nothing is left"


@pytest.mark.parametrize("victim", [0, 2])
def test_it_goes_on_with_those_that_are_left_and_then_with_all(directory, victim):
    async def scenario():
        async with Running(directory, ScriptedCloud()) as r:
            await r.broker.submit(job_request(elastic()))
            await at_size(r, 3, 1)
            before = r.cloud.running()
            r.cloud.refusals = [full()] * 200
            r.cloud.kill(before[victim], "taken")
            await at_size(r, 2, 2)
            says = "1 of 3 nodes in aws/r1/a"
            await r.until("it says what it lacks", lambda: r.broker.cluster("t-1").waiting_for.startswith(says))
            r.cloud.refusals = []
            await at_size(r, 3, 3)
            kept = [p for p in before if p in r.cloud.running()]
            assert len(kept) == 2, "the others were never given back"
            assert {r.cloud.requests[p].offer.zone for p in r.cloud.running()} == {"a"}, "where the others stand"
            assert r.broker.managed_job(1).recoveries == 1, "joining is no recovery"
            await end(r, 3)
            assert attempts(r) == ["node lost", "node joined", "succeeded"]

    run(scenario())


def test_a_notice_for_one_node_moves_nobody_else(directory):
    async def scenario():
        async with Running(directory, ScriptedCloud()) as r:
            await r.broker.submit(job_request(elastic()))
            await at_size(r, 3, 1)
            before = r.cloud.running()
            r.cloud.agents[before[0]].tell(wire.Notice(seconds_left=120.0))
            await r.until("it is told", lambda: "notice" in r.kinds(managed_job_id=1))
            r.cloud.kill(before[0], "taken")
            await at_size(r, 3, 3)
            assert set(before[1:]) < set(r.cloud.running()), "the others stay where they are"
            assert len(r.cloud.requests) == 4, "one machine was bought in its place"
            await end(r, 3)
            assert attempts(r) == ["node lost", "node joined", "succeeded"]

    run(scenario())


def test_losses_in_a_row_leave_one_and_it_is_made_whole_at_once(directory):
    async def scenario():
        async with Running(directory, ScriptedCloud()) as r:
            await r.broker.submit(job_request(elastic()))
            await at_size(r, 3, 1)
            r.cloud.refusals = [full()] * 200
            r.cloud.kill(r.cloud.running()[0], "taken")
            await at_size(r, 2, 2)
            r.cloud.kill(r.cloud.running()[0], "taken")
            await at_size(r, 1, 3)
            r.cloud.refusals = []
            await at_size(r, 3, 4)
            await end(r, 4)

    run(scenario())


def test_with_its_last_node_gone_it_recovers_as_any_job(directory):
    async def scenario():
        async with Running(directory, ScriptedCloud()) as r:
            await r.broker.submit(job_request(elastic(2)))
            await at_size(r, 2, 1)
            r.cloud.refusals = [full()] * 200
            r.cloud.kill(r.cloud.running()[0], "taken")
            await at_size(r, 1, 2)
            r.cloud.refusals = []
            r.cloud.kill(r.cloud.running()[0], "taken")
            await r.until("it is whole elsewhere", lambda: len(now_running(r, 3)) == 2)
            assert {r.cloud.requests[p].offer.zone for p in r.cloud.running()} <= {"a", "b"}
            await end(r, 3)

    run(scenario())


def test_a_daemon_that_comes_back_goes_on_asking(directory):
    async def scenario():
        cloud = ScriptedCloud()
        async with Running(directory, cloud) as r:
            await r.broker.submit(job_request(elastic()))
            await at_size(r, 3, 1)
            cloud.refusals = [full()] * 200
            cloud.kill(cloud.running()[1], "taken")
            await at_size(r, 2, 2)
        cloud.refusals = []
        async with Running(directory, cloud) as r:
            await at_size(r, 3, 3)
            await end(r, 3)

    run(scenario())


def test_cancelling_while_a_replacement_is_asked_for_leaves_nothing(directory):
    async def scenario():
        async with Running(directory, ScriptedCloud()) as r:
            await r.broker.submit(job_request(elastic()))
            await at_size(r, 3, 1)
            r.cloud.refusals = [full()] * 200
            r.cloud.kill(r.cloud.running()[1], "taken")
            await at_size(r, 2, 2)
            await r.broker.desk.change(1, "cancel")
            await r.until("it is cancelled", lambda: r.job_state() == "CANCELLED")
            assert r.cloud.instances == {}

    run(scenario())
