"""Chains and graphs of managed jobs over a scripted cloud: who waits for whom, and what becomes of the rest when one fails."""

from __future__ import annotations

import msgspec
import pytest

from tests.broker.harness import Running, job_request, run, task
from tests.broker.scripted import ScriptedCloud
from tradewind.broker.server.graph_desk import check_edges, names_of
from tradewind.broker.server.requests import GraphPlanRequest, GraphRequest, Refusal
from tradewind.broker.store import listing, rows

DIAMOND = ((0, 1), (0, 2), (1, 3), (2, 3))


@pytest.fixture
def directory(tmp_path):
    return str(tmp_path / "data")


def named(name, script="wait"):
    return msgspec.structs.replace(task(script), name=name)


def graph(*tasks, edges, **more):
    return GraphRequest(tuple(job_request(each) for each in tasks), edges, **more)


def finish(r, job_id, code=0):
    prefix = f"{r.broker.managed_job(job_id).cluster_id}-"
    for provider_id in r.cloud.running():
        agent = r.cloud.agents[provider_id]
        for key, phase in list(agent.jobs):
            if key.startswith(prefix):
                agent.finish(key, phase, code)


def states(r):
    return {job.id: job.state for job in r.store.read(lambda c: listing.managed_jobs(c, listing.Filter()))}


def test_each_starts_when_its_parents_have_succeeded(directory):
    async def scenario():
        cloud = ScriptedCloud()
        async with Running(directory, cloud) as r:
            array_id = await r.broker.graphs.submit(
                graph(named("a"), named("b"), named("c"), named("d"), edges=DIAMOND, name="dia")
            )
            await r.until("the first runs", lambda: r.job_state(1) == "RUNNING")
            assert states(r) == {1: "RUNNING", 2: "PENDING", 3: "PENDING", 4: "PENDING"}
            views = {view["id"]: view for view in r.broker.desk.list_jobs(listing.Filter())}
            assert views[2]["waiting_for"] == "job 1 (dia-a) to succeed"
            assert views[4]["waiting_for"] == "job 2 (dia-b) to succeed, job 3 (dia-c) to succeed"
            finish(r, 1)
            await r.until("both follow", lambda: (r.job_state(2), r.job_state(3)) == ("RUNNING", "RUNNING"))
            finish(r, 2)
            await r.until("one ends", lambda: r.job_state(2) == "SUCCEEDED")
            assert r.job_state(4) == "PENDING"
            finish(r, 3)
            await r.until("the last runs", lambda: r.job_state(4) == "RUNNING")
            finish(r, 4)
            await r.until("it ends", lambda: r.job_state(4) == "SUCCEEDED")
            view = r.broker.desk.array_view(r.broker.desk.array(array_id))
            assert (view["kind"], view["size"], view["succeeded"]) == ("graph", 4, 4)

    run(scenario())


def test_a_failure_cancels_what_follows_and_a_retry_goes_on_from_there(directory):
    async def scenario():
        cloud = ScriptedCloud()
        async with Running(directory, cloud) as r:
            await r.broker.graphs.submit(
                graph(named("a"), named("b"), named("c"), named("aside"), edges=((0, 1), (1, 2)), name="g")
            )
            await r.until("the first runs", lambda: (r.job_state(1), r.job_state(4)) == ("RUNNING", "RUNNING"))
            finish(r, 1, code=3)
            await r.until("it fails", lambda: r.job_state(1) == "FAILED")
            assert states(r) == {1: "FAILED", 2: "CANCELLED", 3: "CANCELLED", 4: "RUNNING"}
            assert r.broker.managed_job(2).why == "job 1 (g-a), which it waits for, is FAILED"
            assert r.broker.managed_job(3).why == "job 2 (g-b), which it waits for, was cancelled"
            await r.broker.desk.change(2, "retry")
            waits = r.broker.desk.waiting_for(r.broker.managed_job(2))
            assert waits == "job 1 (g-a) to succeed (it is FAILED: `tradewind jobs retry 1`)"
            assert (await r.broker.desk.change_array(1, "retry")).changed == 2
            await r.until("it runs again", lambda: r.job_state(1) == "RUNNING")
            assert (r.job_state(2), r.job_state(3)) == ("PENDING", "PENDING")
            finish(r, 1)
            await r.until("the next runs", lambda: r.job_state(2) == "RUNNING")
            await r.broker.desk.change_array(1, "cancel")
            await r.until("all end", lambda: set(states(r).values()) == {"SUCCEEDED", "CANCELLED"})

    run(scenario())


def test_it_goes_on_after_the_daemon_was_killed_and_the_same_key_is_the_same_graph(directory):
    async def scenario():
        cloud = ScriptedCloud()
        asked = graph(named("a"), named("b", "exit 0"), edges=((0, 1),), client_key="k")
        async with Running(directory, cloud) as r:
            first = await r.broker.graphs.submit(asked)
            await r.until("the first runs", lambda: r.job_state(1) == "RUNNING")
            finish(r, 1)
        async with Running(directory, cloud) as r:
            assert await r.broker.graphs.submit(asked) == first
            await r.until("all end", lambda: r.job_state(2) == "SUCCEEDED")
            assert len(r.store.read(rows.managed_jobs)) == 2

    run(scenario())


def test_what_cannot_be_is_refused(directory):
    async def scenario():
        async with Running(directory, ScriptedCloud()) as r:
            for edges, why in (
                (((0, 5),), "the edge 0 -> 5 names a task that is none of 0 to 1"),
                (((0, 1), (1, 0)), "the tasks wait for each other"),
                (((1, 1),), "the tasks wait for each other: 1 -> 1"),
            ):
                with pytest.raises(Refusal, match=why):
                    await r.broker.graphs.submit(graph(named("a"), named("b"), edges=edges))
                with pytest.raises(Refusal, match=why):
                    await r.broker.graphs.plan(GraphPlanRequest((named("a"), named("b")), edges))
            mixed = GraphRequest((job_request(named("a")), job_request(named("b"), catalog="x")), ())
            with pytest.raises(Refusal, match="rehearsed all or none, over one catalog"):
                await r.broker.graphs.submit(mixed)
            dear = msgspec.structs.replace(job_request(named("b")), accepted_hourly_usd=0.01)
            with pytest.raises(Refusal, match="more than the 0.01 USD/h that was accepted"):
                await r.broker.graphs.submit(GraphRequest((job_request(named("a")), dear), ((0, 1),)))
            assert r.store.read(rows.managed_jobs) == [], "all of it or nothing"

    run(scenario())


def test_names():
    assert names_of([named("a"), named("a"), msgspec.structs.replace(task(), name=None)]) == ("a", "a-2", "task-3")
    with pytest.raises(Refusal, match="1 to 1000 tasks, not 0"):
        check_edges(0, ())
