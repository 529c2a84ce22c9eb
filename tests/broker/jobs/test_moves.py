"""Managed jobs that move before their place is taken: the successor comes up beside them, and the program is never anywhere twice."""

from __future__ import annotations

import pytest

from tests.broker.harness import Running, job_request, offer, run, task
from tests.broker.scripted import ScriptedCloud
from tradewind.agent import protocol as wire
from tradewind.broker.provider import ProviderError
from tradewind.broker.store import rows


@pytest.fixture
def directory(tmp_path):
    return str(tmp_path / "data")


def zones(cloud):
    return sorted(cloud.requests[p].offer.zone for p in cloud.running())


def programs(cloud):
    """Instances on which a program runs now."""
    return [p for p in cloud.running() if any(info.state == "RUNNING" for info in cloud.agents[p].jobs.values())]


def notice(cloud, provider_id):
    cloud.agents[provider_id].tell(wire.Notice(seconds_left=120.0))


def story(r):
    return [event.kind for event in r.store.read(lambda c: rows.events(c, subject="job/1"))]


@pytest.mark.parametrize("nodes", [1, 3])
def test_on_a_notice_the_job_moves_before_its_machine_dies(directory, nodes):
    async def scenario():
        cloud = ScriptedCloud()
        async with Running(directory, cloud) as r:
            job = await r.broker.submit(job_request(task("wait", nodes=nodes)))
            await r.until("it runs", lambda: r.job_state() == "RUNNING")
            old = cloud.running()
            seen = []
            notice(cloud, old[-1])

            def over():
                seen.append(len({cloud.requests[p].offer.zone for p in programs(cloud)}))
                return r.broker.managed_job(job).attempt == 2 and r.job_state() == "RUNNING"

            await r.until("it runs elsewhere", over)
            assert max(seen) == 1, "no program runs at two places at once"
            await r.until("the old place is given back", lambda: zones(cloud) == ["b"] * nodes)
            assert all(cloud.agents[p].jobs["1-1", "run"].state == "CANCELLED" for p in old), "it was told to end"
            row = r.broker.managed_job(job)
            assert (row.recoveries, row.course.moving, row.successor_id) == (0, "", None)
            attempts = r.store.read(lambda c: rows.attempts_of(c, job))
            assert [(a.end, a.place) for a in attempts] == [("moved", "aws/r1/a m1 (spot)"), ("", "aws/r1/b m1 (spot)")]
            assert "takes rank" in attempts[0].why
            assert [k for k in story(r) if k.startswith("mov")] == ["moving", "moving over", "moved"]
            for provider_id in cloud.running():
                cloud.agents[provider_id].finish(f"{row.cluster_id}-1")
            await r.until("it ends", lambda: r.job_state() == "SUCCEEDED")
            await r.until("nothing is left", lambda: cloud.instances == {})

    run(scenario())


def test_a_notice_that_comes_before_the_program_runs_is_heeded_then(directory):
    async def scenario():
        cloud = ScriptedCloud()
        async with Running(directory, cloud) as r:
            job = await r.broker.submit(job_request(task("wait", setup="wait")))

            def setting_up():
                return [a for a in cloud.agents.values() if ("1-1", "setup") in a.jobs]

            await r.until("set-up runs", lambda: bool(setting_up()))
            notice(cloud, cloud.running()[0])
            await r.until("it is told", lambda: "notice" in r.kinds(managed_job_id=job))
            assert not r.broker.managed_job(job).course.moving
            setting_up()[0].finish("1-1", "setup")
            await r.until("a successor comes", lambda: r.broker.managed_job(job).course.moving)
            await r.broker.cancel_managed(job)
            await r.until("it ends", lambda: r.job_state() == "CANCELLED" and not cloud.instances)

    run(scenario())


def test_a_machine_that_dies_before_the_successor_is_up_is_followed_by_it(directory):
    async def scenario():
        cloud = ScriptedCloud()
        async with Running(directory, cloud) as r:
            job = await r.broker.submit(job_request(task("wait")))
            await r.until("it runs", lambda: r.job_state() == "RUNNING")
            (old,) = cloud.running()
            notice(cloud, old)
            await r.until("a successor comes", lambda: r.broker.managed_job(job).course.moving)
            cloud.kill(old, "taken")
            await r.until("it runs elsewhere", lambda: r.broker.managed_job(job).recoveries == 1)
            assert zones(cloud) == ["b"]
            assert r.broker.managed_job(job).attempt == 2
            await r.broker.cancel_managed(job)
            await r.until("it ends", lambda: r.job_state() == "CANCELLED" and not cloud.instances)

    run(scenario())


def test_a_program_that_its_agent_ends_before_the_machine_goes_is_followed_by_the_successor(directory):
    async def scenario():
        cloud = ScriptedCloud()
        async with Running(directory, cloud) as r:
            job = await r.broker.submit(job_request(task("wait")))
            await r.until("it runs", lambda: r.job_state() == "RUNNING")
            agent = cloud.agents[cloud.running()[0]]
            agent.jobs["1-1", "run"] = wire.JobInfo(job_id="1-1", phase="run", state="LOST")
            agent.tell(wire.Notice(seconds_left=20.0))
            agent.tell(wire.JobEnded(job_id="1-1", phase="run", state="LOST"))
            await r.until("it runs elsewhere", lambda: r.job_state() == "RUNNING" and zones(cloud) == ["b"])
            assert r.broker.managed_job(job).attempt == 2

    run(scenario())


def test_a_successor_that_cannot_be_had_leaves_the_job_where_it_is(directory):
    async def scenario():
        cloud = ScriptedCloud()
        async with Running(directory, cloud) as r:
            r.planner.offers = (offer("a"), offer("b", price=0.2))
            job = await r.broker.submit(job_request(task("wait")))
            await r.until("it runs", lambda: r.job_state() == "RUNNING")
            cloud.refusals = [ProviderError("local", "full", "full")] * 5
            notice(cloud, cloud.running()[0])
            await r.until("it stays", lambda: "not moved" in story(r))
            assert (r.job_state(), r.broker.managed_job(job).attempt) == ("RUNNING", 1)
            cloud.refusals = []
            cloud.kill(cloud.running()[0], "taken")
            await r.until("it recovers as ever", lambda: r.broker.managed_job(job).recoveries == 1)

    run(scenario())


@pytest.mark.parametrize("change", ["cancel", "pause"])
def test_who_is_stopped_on_the_move_leaves_nothing(directory, change):
    async def scenario():
        cloud = ScriptedCloud()
        async with Running(directory, cloud) as r:
            job = await r.broker.submit(job_request(task("wait")))
            await r.until("it runs", lambda: r.job_state() == "RUNNING")
            notice(cloud, cloud.running()[0])
            await r.until("a successor comes", lambda: r.broker.managed_job(job).course.moving)
            await r.broker.desk.change(job, change)
            await r.until("it stops", lambda: r.job_state() in {"CANCELLED", "PAUSED"})
            await r.until("nothing is left", lambda: cloud.instances == {})
            if change == "pause":
                await r.broker.desk.change(job, "resume")
                await r.until("it runs again", lambda: r.job_state() == "RUNNING")
                assert len(cloud.running()) == 1

    run(scenario())


def test_a_daemon_that_is_killed_on_the_move_finishes_it(directory):
    async def scenario():
        cloud = ScriptedCloud()
        async with Running(directory, cloud) as r:
            job = await r.broker.submit(job_request(task("wait")))
            await r.until("it runs", lambda: r.job_state() == "RUNNING")
            notice(cloud, cloud.running()[0])
            await r.until("a successor comes", lambda: r.broker.managed_job(job).course.moving)
        async with Running(directory, cloud) as r:
            await r.until(
                "it runs elsewhere", lambda: r.broker.managed_job(job).attempt == 2 and r.job_state() == "RUNNING"
            )
            await r.until("the old place is given back", lambda: zones(cloud) == ["b"])
            assert len(programs(cloud)) == 1

    run(scenario())
