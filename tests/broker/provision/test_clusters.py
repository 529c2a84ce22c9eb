"""Clusters of a person's own over a scripted cloud: jobs in turn, losses, ends."""

from __future__ import annotations

import pytest

from tests.broker.harness import Running, job_request, launch_request, run, task
from tests.broker.scripted import ScriptedCloud, ScriptedTransport
from tradewind.agent import protocol as wire
from tradewind.broker.provider import ProviderError
from tradewind.broker.provision import bootstrap, driver, watch
from tradewind.broker.provision.boundary import crash_at
from tradewind.broker.server.requests import Refusal
from tradewind.broker.store import rows


@pytest.fixture
def directory(tmp_path):
    return str(tmp_path / "data")


def states(r, cluster="c"):
    row = r.broker.cluster(cluster)
    return [job.state for job in r.store.read(lambda c: rows.jobs_of(c, row.id))]


def test_jobs_run_one_after_the_other_and_a_cancelled_one_leaves_its_place(directory):
    async def scenario():
        cloud = ScriptedCloud()
        async with Running(directory, cloud) as r:
            await r.broker.launch(launch_request(task("wait", setup="exit 0")))
            await r.until("it runs", lambda: states(r) == ["RUNNING"])
            assert await r.broker.execute("c", task("wait", setup="exit 1")) == 2
            assert await r.broker.execute("c", task("exit 0")) == 3
            assert states(r) == ["RUNNING", "PENDING", "PENDING"]
            (agent,) = cloud.agents.values()
            agent.finish("1-1")
            await r.until("the second has its turn", lambda: states(r)[1] == "RUNNING")
            await r.broker.cancel_job("c", 2)
            await r.until("the third has its turn", lambda: states(r) == ["SUCCEEDED", "CANCELLED", "SUCCEEDED"])

    run(scenario())


def test_down_in_every_state_leaves_nothing(directory):
    async def scenario():
        for boundary in ("intent:committed", "launch:after", "bootstrap:configured", "job:started"):
            cloud = ScriptedCloud()
            reached = []

            async def note(name, wanted=boundary, reached=reached):
                if name == wanted:
                    reached.append(name)

            async with Running(f"{directory}-{boundary}", cloud, boundary=note) as r:
                await r.broker.launch(launch_request(task("wait", nodes=2)))
                await r.until(boundary, lambda reached=reached: bool(reached))
                assert (await r.broker.down("c")).state == "TERMINATED"
                assert cloud.instances == {}
                assert r.store.read(rows.live_instances) == []
                assert states(r) == ["CANCELLED"]

    run(scenario())


@pytest.mark.parametrize(
    "moment", ["submit:committed", "intent:committed", "launch:after", "bootstrap:files", "job:begun", "replan:after"]
)
def test_a_managed_job_is_cancelled_at_any_moment(directory, moment):
    async def scenario():
        cloud = ScriptedCloud()
        reached = []

        async def note(name):
            if name == moment:
                reached.append(name)

        async with Running(directory, cloud, boundary=note) as r:
            job = await r.broker.submit(job_request(task("wait", nodes=2)))
            if moment == "replan:after":
                await r.until("it runs", lambda: r.job_state() == "RUNNING")
                cloud.kill(cloud.running()[0])
            await r.until(moment, lambda: bool(reached))
            await r.broker.cancel_managed(job)
            await r.until("it is cancelled", lambda: r.job_state() == "CANCELLED")
            assert cloud.instances == {}
            assert r.store.read(rows.live_instances) == []

    run(scenario())


def test_a_plain_cluster_that_loses_a_node_is_preempted_and_costs_no_more(directory):
    async def scenario():
        cloud = ScriptedCloud()
        async with Running(directory, cloud) as r:
            await r.broker.launch(launch_request(task("wait", nodes=2)))
            await r.until("it runs", lambda: states(r) == ["RUNNING"])
            cloud.kill(cloud.running()[0], "spot reclaim")
            await r.until("it is seen", lambda: r.cluster_state() == "PREEMPTED")
            await r.until("the survivor goes", lambda: cloud.instances == {})
            assert states(r) == ["LOST"]
            assert r.broker.cluster("c").why == "spot reclaim"
            await r.until("there is nothing to keep a daemon for", r.broker.is_idle)
            with pytest.raises(Refusal, match="is PREEMPTED; a job needs one that is UP"):
                await r.broker.execute("c", task())
            assert (await r.broker.down("c")).state == "TERMINATED"

    run(scenario())


def test_a_cluster_that_cannot_be_set_up_says_why_and_keeps_nothing(directory):
    async def scenario():
        cloud = ScriptedCloud()
        launch = cloud.launch

        async def launch_deaf(request, token):
            made = await launch(request, token)
            cloud.agents[made.provider_id].refuse[wire.Configure] = "the disk is full"
            return made

        cloud.launch = launch_deaf
        async with Running(directory, cloud) as r:
            await r.broker.launch(launch_request(task()))
            await r.until("it fails", lambda: r.cluster_state() == "FAILED")
            await r.until("nothing is left", lambda: cloud.instances == {})
            assert r.broker.cluster("c").why == "the disk is full"
            assert len(cloud.by_token) == 3
            assert states(r) == ["LOST"]

    run(scenario())


@pytest.mark.parametrize("times", [1, 2])
def test_an_agent_whose_connection_breaks_while_it_is_set_up_is_reached_again_on_the_same_machine(directory, times):
    """Once; where it breaks again another machine is bought, and why is told with the last words of the agent's log."""

    async def scenario():
        cloud = ScriptedCloud()
        cloud.agent_log = b"Traceback (most recent call last):\n  File x\nMemoryError: no room\n"
        launch, left = cloud.launch, [times]

        async def launch_frail(request, token):
            made = await launch(request, token)
            agent = cloud.agents[made.provider_id]
            do = agent._do

            def fail_at_first(order):
                if isinstance(order, wire.Configure) and left[0]:
                    left[0] -= 1
                    agent.die()
                return do(order)

            agent._do = fail_at_first
            return made

        cloud.launch = launch_frail
        async with Running(directory, cloud) as r:
            await r.broker.launch(launch_request(task()))
            await r.until("it ends", lambda: states(r) == ["SUCCEEDED"])
            assert len(cloud.by_token) == times
            told = r.store.read(lambda c: rows.events(c, cluster_id=1))
            failed = [event.data["why"] for event in told if event.kind == "bootstrap failed"]
            assert len(failed) == times
            why = failed[0]
            assert "the agent's connection ended: its process or its instance died" in why
            assert why.endswith("; its agent's log ends: MemoryError: no room")

    run(scenario())


def test_a_copy_whose_connection_breaks_is_made_again_to_the_same_machine(directory, tmp_path, monkeypatch):
    async def scenario():
        cloud = ScriptedCloud()
        (tmp_path / "code").mkdir()
        left = [ProviderError("local", "SshLost", "the connection was lost during a copy")]
        put = ScriptedTransport.put

        async def put_at_last(transport, source, target, *, leave_out=None, told=None):
            if left:
                raise left.pop()
            await put(transport, source, target, leave_out=leave_out, told=told)

        monkeypatch.setattr(ScriptedTransport, "put", put_at_last)
        what = task()
        with_files = type(what)(name="t", run="exit 0", workdir=str(tmp_path / "code"), resources=what.resources)
        async with Running(directory, cloud) as r:
            await r.broker.launch(launch_request(with_files))
            await r.until("it ends", lambda: states(r) == ["SUCCEEDED"])
            assert len(cloud.by_token) == 1
            assert cloud.puts == [(str(tmp_path / "code"), "workdir")]

    run(scenario())


def test_what_no_record_owns_is_ended_at_the_start(directory):
    async def scenario():
        cloud = ScriptedCloud()
        async with Running(directory, cloud) as r:
            await r.broker.launch(launch_request(task("wait")))
            await r.until("it runs", lambda: states(r) == ["RUNNING"])
        (mine,) = cloud.running()
        stray = cloud.requests[mine]
        tags = {**stray.tags, "tradewind-instance": "stray"}
        other = {**tags, "tradewind-owner": "someone else"}
        for name, own in (("stray", tags), ("foreign", other)):
            request = type(stray)(
                **{**{f: getattr(stray, f) for f in stray.__struct_fields__}, "instance_id": name, "tags": own}
            )
            await cloud.launch(request, name)
        async with Running(directory, cloud) as r:
            await r.until("the stray is gone", lambda: len(cloud.running()) == 2)
            assert {cloud.requests[p].instance_id for p in cloud.running()} == {stray.instance_id, "foreign"}
            assert r.cluster_state() == "UP"
            await r.broker.down("c")
        cloud.close()

    run(scenario())


def test_throttling_and_moments_of_weakness_are_waited_out(directory):
    async def scenario():
        cloud = ScriptedCloud()
        cloud.scopes["busy"] = ("throttle", "region")
        cloud.refusals = [ProviderError("local", "busy", "slow down")]
        async with Running(directory, cloud) as r:
            await r.broker.launch(launch_request(task()))
            await r.until("it ends", lambda: states(r) == ["SUCCEEDED"])
            assert r.broker.cluster("c").tries == 1

    run(scenario())


def test_more_nodes_than_the_cluster_has_are_refused(directory):
    async def scenario():
        async with Running(directory, ScriptedCloud()) as r:
            await r.broker.launch(launch_request(task()))
            await r.until("it is up", lambda: r.cluster_state() == "UP")
            with pytest.raises(Refusal, match="wants 2 nodes and c has 1"):
                await r.broker.execute("c", task(nodes=2))

    run(scenario())


def test_files_are_put_before_the_agent_is_told_to_run(directory, tmp_path):
    async def scenario():
        cloud = ScriptedCloud()
        (tmp_path / "code").mkdir()
        what = task()
        with_files = type(what)(name="t", run="exit 0", workdir=str(tmp_path / "code"), resources=what.resources)
        async with Running(directory, cloud) as r:
            await r.broker.launch(launch_request(with_files))
            await r.until("it ends", lambda: states(r) == ["SUCCEEDED"])
            assert cloud.puts == [(str(tmp_path / "code"), "workdir")]
            missing = type(what)(name="t", run="exit 0", workdir="/no/such", resources=what.resources)
            with pytest.raises(Refusal, match="workdir /no/such is not a directory"):
                await r.broker.launch(launch_request(missing, "other"))

    run(scenario())


@pytest.mark.parametrize("order", ["launch:before", "nowhere:1", "launch:before:x"])
def test_a_crash_is_ordered_by_name_and_number(order):
    with pytest.raises(ValueError, match="names no boundary and count"):
        crash_at(order)


def test_leases_are_renewed_whatever_a_cloud_says_once(directory, monkeypatch):
    monkeypatch.setattr(watch, "HEARTBEAT_S", 0.01)
    monkeypatch.setattr(watch, "LEASE_RENEWAL_S", 0.05)

    async def scenario():
        cloud = ScriptedCloud()
        moved = []

        async def lease(provider_id, until_unix):
            moved.append(until_unix)
            if len(moved) == 2:
                raise ProviderError("local", "busy", "slow down")

        cloud.lease = lease
        async with Running(directory, cloud) as r:
            await r.broker.launch(launch_request(task("wait")))
            await r.until("it is renewed again and again", lambda: len(moved) > 4)
            (row,) = r.store.read(rows.live_instances)
            assert row.lease_until_unix > row.created_unix + watch.LEASE_S
            assert moved == sorted(moved)
            assert (await r.broker.down("c")).state == "TERMINATED"
            await r.until("its driver is dropped with the next order", lambda: r.broker._drivers[1].is_over)

    run(scenario())


def test_a_silent_agent_is_lost(directory, monkeypatch):
    monkeypatch.setattr(watch, "HEARTBEAT_S", 0.01)
    monkeypatch.setattr(watch, "SILENCE_S", 0.2)
    monkeypatch.setattr(bootstrap, "AGENT_DEADLINE_S", 0.2)
    monkeypatch.setattr(driver, "END_TIMEOUT_S", 0.2)

    async def scenario():
        cloud = ScriptedCloud()
        async with Running(directory, cloud) as r:
            await r.broker.launch(launch_request(task("wait")))
            await r.until("it runs", lambda: states(r) == ["RUNNING"])
            (agent,) = cloud.agents.values()

            async def say_nothing(call, writer):
                pass

            agent._answer = say_nothing
            await r.until("it is noticed", lambda: "agent lost" in r.kinds(cluster_id=1))
            await r.until("another machine takes its place", lambda: r.cluster_state() == "UP")
            assert states(r) == ["LOST"]
            assert len(cloud.by_token) == 2
            assert len(cloud.instances) == 1

    run(scenario())
