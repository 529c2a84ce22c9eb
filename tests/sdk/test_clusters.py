"""The calls against a real daemon and rehearsed instances, blocking and on an event loop."""

from __future__ import annotations

import asyncio
import os
import pathlib
import signal

import pytest

import tradewind as tw

from .conftest import start_daemon

pytestmark = pytest.mark.end_to_end

SPOT = tw.Resources(cpus="2+", use_spot=True)
HELLO = tw.Task("hello", run="echo rank $TRADEWIND_NODE_RANK", num_nodes=2, resources=SPOT)
SLOW = tw.Task("slow", run="echo started; sleep 300", resources=SPOT)


@pytest.fixture
def cluster(data: pathlib.Path) -> str:
    """One cluster for the module's tests, by the first that needs it."""
    if not tw.status():
        launched = tw.launch(HELLO, "shared", rehearse=True)
        assert launched == tw.Launched("shared", 1)
        assert sorted(tw.logs("shared", 1)) == ["(head, rank=0) rank 0\n", "(worker, rank=1) rank 1\n"]
        assert tw.wait("shared", timeout_s=20).succeeded
    return "shared"


def test_nothing_is_there_before_anything_was_launched(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setenv("TRADEWIND_DATA_DIR", str(tmp_path / "never"))
    assert tw.status() == tw.jobs.queue() == tw.cost_report() == ()
    assert tw.api.status() is None
    assert not tw.api.stop()
    with pytest.raises(tw.NotFound, match="nothing was ever launched"):
        tw.queue("x")
    with pytest.raises(tw.NotFound):
        asyncio.run(tw.aio.down("x"))
    assert asyncio.run(tw.aio.status()) == ()
    assert not (tmp_path / "never").exists()


def test_a_launched_cluster_stays_and_takes_further_jobs(cluster: str) -> None:
    (seen,) = tw.status(cluster)
    assert (seen.state, seen.num_nodes, len(seen.instances), seen.rehearse) == ("UP", 2, 2, True)
    assert seen.hourly_usd > 0
    before = len(tw.queue(cluster))
    done = tw.exec(cluster, tw.Task(run="echo again; exit 3"))
    job = tw.wait(done.cluster, done.job_id, timeout_s=20)
    assert (job.state, job.exit_code, job.succeeded) == ("FAILED", 3, False)
    assert "".join(tw.logs(cluster, done.job_id, rank=0)) == "again\n"
    assert len(tw.queue(cluster)) == before + 1
    assert any(event.kind == "up" for event in tw.events(cluster))
    assert tw.cost_report()[0].cluster == cluster


def test_what_is_not_there_is_said(cluster: str) -> None:
    for call in (lambda: tw.queue("nope"), lambda: tw.status("nope"), lambda: tw.exec("nope", HELLO),
                 lambda: tw.down("nope"), lambda: tw.jobs.status("nope"), lambda: list(tw.logs("nope"))):  # fmt: skip
        with pytest.raises(tw.NotFound, match="nope"):
            call()


def test_a_job_that_goes_on_times_out_and_is_cancelled(cluster: str) -> None:
    job_id = tw.exec(cluster, SLOW).job_id
    with pytest.raises(TimeoutError, match=rf"job {job_id} on shared is \w+ after 0.2 s; it goes on"):
        tw.wait(cluster, job_id, timeout_s=0.2)
    with pytest.raises(ValueError, match="by number, or all=True"):
        tw.cancel(cluster)
    assert tw.cancel(cluster, all=True) == (job_id,)
    assert tw.wait(cluster, job_id, timeout_s=20).state == "CANCELLED"


def test_nothing_is_bought_without_a_price(data: pathlib.Path) -> None:
    plan = tw.plan(HELLO)
    with pytest.raises(ValueError, match="not both"):
        tw.launch(HELLO, plan=plan, max_hourly_usd=1)
    with pytest.raises(tw.TooDear, match="more than the 1e-06 USD/h that was accepted; raise max_hourly_usd"):
        tw.launch(HELLO, "dear", rehearse=True, max_hourly_usd=1e-6)
    with pytest.raises(ValueError, match="not feasible"):
        tw.launch(HELLO, plan=tw.plan(tw.Task(run="x", resources=tw.Resources(accelerators="A100:7"))))
    with pytest.raises(tw.NoPlan):
        tw.launch(HELLO)  # no credentials here
    assert "dear" not in {cluster.name for cluster in tw.status()}


def test_a_managed_job_runs_to_its_end(data: pathlib.Path) -> None:
    number = tw.jobs.launch(HELLO, rehearse=True)
    assert sorted(tw.jobs.logs(number)) == ["(head, rank=0) rank 0\n", "(worker, rank=1) rank 1\n"]
    assert list(tw.jobs.logs(number, rank=1)) == ["rank 1\n"]
    job = tw.jobs.wait("hello", timeout_s=30)
    assert (job.id, job.state, job.recoveries) == (number, "SUCCEEDED", 0)
    assert tw.jobs.queue() == ()
    assert [row.id for row in tw.jobs.queue(all=True)] == [number]
    assert len(tw.jobs.bill(number)["instances"]) == 2
    with pytest.raises(ValueError, match="rehearse=True"):
        tw.jobs.launch(HELLO, seed=1)


def test_tasks_that_depend_on_each_other_are_launched_as_one(data: pathlib.Path) -> None:
    here = tw.Resources(infra="local")
    first = tw.Task("first", run="true", resources=here)
    second = tw.Task("second", run="exit 3", resources=here, depends_on="first")
    third = tw.Task("third", run="true", resources=here, depends_on=["second"])
    numbers = tw.jobs.launch_graph([first, second, third], name="three")
    assert [tw.jobs.wait(number, timeout_s=60).state for number in numbers] == ["SUCCEEDED", "FAILED", "CANCELLED"]
    assert "which it waits for, is FAILED" in tw.jobs.status(numbers[2]).why
    with pytest.raises(tw.SpecError, match="no task of this file is called 'first'"):
        tw.jobs.launch_graph([second])
    with pytest.raises(tw.TooDear, match="all at once cost"):
        tw.jobs.launch_graph(
            [tw.Task("big", run="true", resources=tw.Resources(cpus=4))], rehearse=True, max_hourly_usd=1e-6
        )


def test_a_daemon_that_dies_is_started_again(cluster: str) -> None:
    serving = tw.api.status()
    assert serving is not None
    job_id = tw.exec(cluster, tw.Task(run="echo one; sleep 2; echo two", resources=SPOT)).job_id
    seen = []
    for line in tw.logs(cluster, job_id, rank=0):
        if not seen:
            os.kill(serving.pid, signal.SIGKILL)
        seen.append(line)
    assert seen == ["one\n", "two\n"]
    again = tw.api.start()
    assert again.pid != serving.pid
    tw.api.stop()
    start_daemon()


def test_the_same_on_an_event_loop(cluster: str) -> None:
    async def play() -> None:
        launched = await tw.aio.exec(cluster, tw.Task(run="echo here", resources=SPOT))
        lines = [line async for line in tw.aio.logs(cluster, launched.job_id, rank=0)]
        assert lines == ["here\n"]
        assert (await tw.aio.wait(cluster, launched.job_id, timeout_s=20)).succeeded
        rows = await asyncio.gather(tw.aio.status(), tw.aio.jobs.queue(), tw.aio.plan(HELLO))
        assert rows[0][0].name == cluster
        with pytest.raises(tw.NotFound, match="nope"):
            await tw.aio.queue("nope")

    asyncio.run(play())


def test_a_cancelled_call_leaves_nothing_behind_and_the_job_goes_on(cluster: str) -> None:
    async def play() -> None:
        job_id = (await tw.aio.exec(cluster, SLOW)).job_id
        seen = []

        async def follow() -> None:
            async for line in tw.aio.logs(cluster, job_id, rank=0):
                seen.append(line)
                following.cancel()

        following = asyncio.create_task(follow())
        with pytest.raises(asyncio.CancelledError):
            await following
        assert seen == ["started\n"]
        assert [job.state for job in await tw.aio.queue(cluster) if job.id == job_id] == ["RUNNING"]
        await tw.aio.cancel(cluster, job_id)
        assert (await tw.aio.wait(cluster, job_id, timeout_s=20)).state == "CANCELLED"

    asyncio.run(play())


def test_what_is_free_needs_no_price(data: pathlib.Path) -> None:
    launched = tw.launch(tw.Task("here", run="echo on this machine", resources=tw.Resources(infra="local", cpus="1+")))
    assert "".join(tw.logs(launched.cluster)).endswith("on this machine\n")
    assert tw.wait(launched.cluster, timeout_s=20).succeeded
    tw.down("here")
    assert "here" not in {cluster.name for cluster in tw.status()}
    assert tw.status("here", all=True)[0].state == "TERMINATED"


def test_a_plan_that_was_looked_at_is_the_price(data: pathlib.Path) -> None:
    task = tw.Task("agreed", run="true", resources=SPOT)
    plan = tw.plan(task)
    launched = tw.launch(task, plan=plan, rehearse=True)
    assert tw.status(launched.cluster)[0].hourly_usd <= plan.hourly_usd * 1.001
    tw.down(launched.cluster)
