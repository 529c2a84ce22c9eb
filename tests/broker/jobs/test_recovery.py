"""Managed jobs over a scripted cloud: their ends, their losses, their moves."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from tests.broker.harness import Running, job_request, offer, run, task
from tests.broker.scripted import ScriptedCloud
from tradewind.agent import protocol as wire
from tradewind.broker.lifecycle import managed_job as mm
from tradewind.broker.provider import ProviderError
from tradewind.broker.server.requests import Refusal
from tradewind.broker.store import rows


@pytest.fixture
def directory(tmp_path):
    return str(tmp_path / "data")


def agents(cloud, *, live=True):
    return [cloud.agents[p] for p in (cloud.running() if live else cloud.agents)]


async def running(r, job_id=1):
    await r.until("the job runs", lambda: r.job_state(job_id) == "RUNNING")


def test_a_job_that_ends_well_succeeds_and_leaves_nothing(directory):
    async def scenario():
        cloud = ScriptedCloud()
        async with Running(directory, cloud) as r:
            job = await r.broker.submit(job_request(task(nodes=2, setup="exit 0")))
            await r.until("it ends", lambda: r.job_state(job) == "SUCCEEDED")
            await r.until("its cluster goes", lambda: r.cluster_state("t-1") == "TERMINATED")
            assert cloud.instances == {}
            assert set(cloud.starts.values()) == {1}
            assert len(cloud.starts) == 4
            story = ["submitted", "planned", "provisioning", "up", "running", "succeeded"]
            assert [event.kind for event in r.store.read(lambda c: rows.events(c, subject="job/1"))] == story
            attempts = r.store.read(lambda c: rows.attempts_of(c, job))
            assert [a.end for a in attempts] == ["succeeded"]

    run(scenario())


@pytest.mark.parametrize(("setup", "main", "state"), [(None, "exit 3", "FAILED"), ("exit 4", "exit 0", "FAILED_SETUP")])
def test_a_program_that_fails_is_not_tried_again(directory, setup, main, state):
    async def scenario():
        cloud = ScriptedCloud()
        async with Running(directory, cloud) as r:
            job = await r.broker.submit(job_request(task(main, setup=setup)))
            await r.until("it ends", lambda: r.job_state(job) == state)
            await r.until("its cluster goes", lambda: r.cluster_state("t-1") == "TERMINATED")
            assert "exited with code" in r.broker.managed_job(job).why
            assert "last words" in r.broker.managed_job(job).why
            assert r.broker.managed_job(job).attempt == 1

    run(scenario())


def test_a_lost_instance_moves_the_gang_to_the_next_zone(directory):
    async def scenario():
        cloud = ScriptedCloud()
        async with Running(directory, cloud) as r:
            job = await r.broker.submit(job_request(task("wait", nodes=2)))
            await running(r)
            cloud.kill(cloud.running()[1], "taken")
            await r.until("it recovers", lambda: r.broker.managed_job(job).recoveries == 1)
            assert {cloud.requests[p].offer.zone for p in cloud.running()} == {"b"}
            assert len(cloud.instances) == 2, "survivors and the dead are cleared away"
            for agent in agents(cloud):
                agent.finish("1-2")
            await r.until("it ends", lambda: r.job_state(job) == "SUCCEEDED")
            kinds = r.kinds(managed_job_id=job)
            story = ["planned", "provisioning", "up", "running", "preempted", "recovering", "recovered", "succeeded"]
            subject = [e.kind for e in r.store.read(lambda c: rows.events(c, subject="job/1"))]
            assert [k for k in subject if k in story] == [*story[:4], "preempted", "recovering", "up", *story[6:]]
            assert "preempted" in kinds
            attempts = r.store.read(lambda c: rows.attempts_of(c, job))
            assert [a.end for a in attempts] == ["preempted", "succeeded"]
            assert [a.place for a in attempts] == ["aws/r1/a m1 (spot)", "aws/r1/b m1 (spot)"]

    run(scenario())


def test_a_failure_that_a_loss_explains_is_a_loss(directory):
    """The survivor's program fails first, because its peer is gone; the loss is noticed a moment later."""

    async def scenario():
        cloud = ScriptedCloud()
        async with Running(directory, cloud) as r:
            job = await r.broker.submit(job_request(task("wait", nodes=2)))
            await running(r)
            survivor, victim = cloud.running()
            cloud.agents[survivor].finish("1-1", exit_code=1)
            cloud.kill(victim)
            await r.until("it recovers", lambda: r.broker.managed_job(job).recoveries == 1)
            assert r.job_state(job) == "RUNNING"

    run(scenario())


@pytest.mark.parametrize("loss", ["agent", "runtime"])
def test_a_lost_agent_or_runtime_is_mended_in_place(directory, loss):
    async def scenario():
        cloud = ScriptedCloud()
        async with Running(directory, cloud) as r:
            job = await r.broker.submit(job_request(task("wait", nodes=2)))
            await running(r)
            before = cloud.running()
            agent = cloud.agents[before[0]]
            if loss == "agent":
                agent.die()
            else:
                agent.tell(wire.RuntimeLost(process="head", why="signal 9"))
            await r.until("it recovers", lambda: r.broker.managed_job(job).recoveries == 1)
            assert cloud.running() == before, "the machines are kept"
            assert {a.jobs["1-1", "run"].state for a in agents(cloud)} <= {"LOST", "CANCELLED"}
            assert all(a.jobs["1-2", "run"].state == "RUNNING" for a in agents(cloud))
            assert {a.runtime for a in agents(cloud) if a.runtime} == {"t-1-c1-2"}
            assert f"{loss} lost" in r.kinds(subject="job/1")

    run(scenario())


def test_a_cancel_ends_everything(directory):
    async def scenario():
        cloud = ScriptedCloud()
        async with Running(directory, cloud) as r:
            job = await r.broker.submit(job_request(task("wait", nodes=2)))
            await running(r)
            await r.broker.cancel_managed(job)
            await r.until("it is cancelled", lambda: r.job_state(job) == "CANCELLED")
            assert cloud.instances == {}
            assert r.cluster_state("t-1") == "TERMINATED"
            with pytest.raises(Refusal, match="nothing to cancel"):
                await r.broker.cancel_managed(job)

    run(scenario())


def test_refused_places_are_left_for_the_next_and_a_partial_gang_is_ended(directory):
    async def scenario():
        cloud = ScriptedCloud()
        cloud.refusals = [None, ProviderError("local", "full", "zone a is full")]
        async with Running(directory, cloud) as r:
            job = await r.broker.submit(job_request(task("wait", nodes=2)))
            await running(r)
            assert {cloud.requests[p].offer.zone for p in cloud.running()} == {"b"}
            assert len(cloud.terminated) == 1
            assert "place refused" in r.kinds(managed_job_id=job)
            blocks = r.store.read(lambda c: rows.blocks(c, now=0.0, cluster_id=1))
            assert [(b.zone, b.kind, b.why) for b in blocks] == [("a", "capacity", "zone a is full")]

    run(scenario())


def test_no_place_at_the_start_is_final(directory):
    async def scenario():
        cloud = ScriptedCloud()
        cloud.refusals = [ProviderError("local", "full", f"{i} is full") for i in range(3)]
        async with Running(directory, cloud) as r:
            job = await r.broker.submit(job_request(task()))
            await r.until("it fails", lambda: r.job_state(job) == "FAILED_NO_RESOURCE")
            assert "0 is full, and 2 more like it" in r.broker.managed_job(job).why
            await r.until("nothing is left", lambda: r.cluster_state("t-1") == "TERMINATED")

    run(scenario())


def test_losses_in_a_row_before_it_has_ever_run_do_not_end_a_job(directory):
    """A machine that is taken while it is set up is a loss like any other, however often it happens."""

    class Taking(ScriptedCloud):
        async def connect(self, instance):
            if len(self.requests) <= 3:
                self.kill(instance.provider_id, "taken")
            return await super().connect(instance)

    async def scenario():
        async with Running(directory, Taking()) as r:
            job = await r.broker.submit(job_request(task("wait")))
            await r.until("it waits for a place", lambda: "no place" in r.kinds(subject="job/1"))
            assert (r.job_state(job), r.broker.managed_job(job).why) == ("RECOVERING", "taken")

    run(scenario())


def test_eager_goes_back_to_the_only_place_there_is(directory):
    async def scenario():
        cloud = ScriptedCloud()
        async with Running(directory, cloud) as r:
            r.planner.offers = (offer("a"),)
            job = await r.broker.submit(job_request(task("wait")))
            await running(r)
            cloud.kill(cloud.running()[0])
            await r.until("it recovers", lambda: r.broker.managed_job(job).recoveries == 1)
            assert [len(blocks) for blocks in r.planner.asked] == [0, 1, 0]

    run(scenario())


def test_a_planner_that_breaks_is_asked_again_and_the_job_says_so(directory, monkeypatch):
    monkeypatch.setattr(mm.table, "RETRY_AFTER_NO_PLACE_S", 0.2)

    async def scenario():
        cloud = ScriptedCloud()
        async with Running(directory, cloud) as r:
            job = await r.broker.submit(job_request(task("wait")))
            await running(r)
            plan, broken = r.planner.plan, [ZeroDivisionError("a bug"), OSError(5, "the catalog's disk")]

            async def breaks(*asked):
                if broken:
                    raise broken.pop()
                return await plan(*asked)

            r.planner.plan = breaks
            cloud.kill(cloud.running()[0])
            await r.until("it says why it waits", lambda: "the catalog's disk" in r.broker.managed_job(job).why)
            assert r.job_state(job) == "RECOVERING"
            await r.until("it recovers", lambda: r.broker.managed_job(job).recoveries == 1)
            whys = [
                e.data["why"] for e in r.store.read(lambda c: rows.events(c, subject="job/1")) if e.kind == "no place"
            ]
            assert ["ZeroDivisionError" in why for why in whys] == [False, True]

    run(scenario())


def test_survivors_are_kept_where_the_new_plan_keeps_them(directory):
    async def scenario():
        cloud = ScriptedCloud()
        async with Running(directory, cloud) as r:
            r.planner.offers = (offer("a"),)
            job = await r.broker.submit(job_request(task("wait", nodes=3)))
            await running(r)
            before = cloud.running()
            cloud.kill(before[1])
            await r.until("it recovers", lambda: r.broker.managed_job(job).recoveries == 1)
            after = cloud.running()
            assert {before[0], before[2]} < set(after)
            assert len(after) == 3
            assert [cloud.requests[p].rank for p in after if p not in before] == [1]
            assert all(cloud.agents[p].jobs["1-1", "run"].state == "CANCELLED" for p in (before[0], before[2]))
            assert all(cloud.agents[p].jobs["1-2", "run"].state == "RUNNING" for p in after)
            assert len({cloud.agents[p].configured.node_ips for p in after}) == 1
            await r.broker.cancel_managed(job)
            await r.until("it ends", lambda: r.job_state() == "CANCELLED")
            assert cloud.instances == {}

    run(scenario())


def test_a_full_disk_refuses_requests_and_forgets_nothing_that_happens(directory):
    async def scenario():
        cloud = ScriptedCloud()
        async with Running(directory, cloud) as r:
            job = await r.broker.submit(job_request(task("wait")))
            await running(r)
            pages = r.store.write(lambda c: c.execute(text("PRAGMA page_count")).scalar_one())
            r.store.write(lambda c: c.execute(text(f"PRAGMA max_page_count = {pages}")))
            big = "x" * 100_000
            with pytest.raises(OperationalError, match="full"):
                await r.broker.submit(job_request(task(), name=big))
            (agent,) = agents(cloud)
            happened = asyncio.ensure_future(r.broker.services.apply(lambda ledger: ledger.record("s", big, "c", {})))
            agent.finish("1-1")
            await asyncio.wait({happened}, timeout=0.3)
            assert not happened.done(), "what happened waits for room"
            r.store.write(lambda c: c.execute(text("PRAGMA max_page_count = 1000000")))
            await happened
            await r.until("it is recorded", lambda: r.job_state(job) == "SUCCEEDED")

    run(scenario())


def test_the_same_client_key_is_the_same_job(directory):
    async def scenario():
        async with Running(directory, ScriptedCloud()) as r:
            first = await r.broker.submit(job_request(task(), client_key="k"))
            assert await r.broker.submit(job_request(task(), client_key="k")) == first
            assert len(r.store.read(rows.managed_jobs)) == 1

    run(scenario())


def test_nothing_dearer_than_what_was_accepted_is_bought(directory):
    async def scenario():
        cloud = ScriptedCloud()
        async with Running(directory, cloud) as r:
            request = job_request(task())
            dear = type(request)(task=request.task, accepted_hourly_usd=0.05, rehearse=True)
            with pytest.raises(Refusal, match="more than the 0.05 USD/h that was accepted"):
                await r.broker.submit(dear)
            assert r.store.read(rows.managed_jobs) == []
            assert cloud.by_token == {}

    run(scenario())
