"""Damaged rows: a daemon starts all the same, everything goes on, and what cannot be mended is set aside."""

from __future__ import annotations

import msgspec
import pytest
from sqlalchemy import text

from tests.broker.harness import Running, job_request, launch_request, run, task
from tests.broker.scripted import ScriptedCloud
from tradewind.broker.server.requests import Refusal
from tradewind.broker.store import rows


def damage(r: Running, table: str, *columns: str) -> None:
    for column in columns:
        r.store.write(lambda c, one=column: c.execute(text(f"UPDATE {table} SET {one} = '{{\"na'")))  # type: ignore[misc]


def what_is(r: Running) -> object:
    """All that the record says of what is alive."""
    machines = [(one.id, one.tags, one.offer) for one in r.store.read(rows.live_instances)]
    job = r.broker.job("t-1", 1)[1]
    machine = msgspec.structs.replace(job.machine, started=tuple(sorted(job.machine.started)))
    return r.broker.managed_job(1), r.store.read(rows.clusters), machines, job.task, machine


every_column = pytest.mark.parametrize(
    ("table", "column"),
    [
        ("clusters", "task"),
        ("clusters", "options"),
        ("clusters", "place"),
        ("clusters", "candidates"),
        ("instances", "tags"),
        ("instances", "offer"),
        ("jobs", "task"),
        ("jobs", "machine"),
        ("managed_jobs", "task"),
        ("managed_jobs", "options"),
        ("managed_jobs", "course"),
    ],
)


@every_column
def test_a_daemon_mends_a_damaged_column_and_the_job_runs_on(tmp_path, table, column):
    async def scenario():
        cloud = ScriptedCloud()
        async with Running(str(tmp_path / "data"), cloud) as r:
            job = await r.broker.submit(job_request(task("wait", nodes=2)))
            await r.until("it runs", lambda: r.job_state() == "RUNNING")
            await r.until("on both nodes", lambda: len(r.broker.job("t-1", 1)[1].machine.started) == 2)
            before = what_is(r)
            damage(r, table, column)
        async with Running(str(tmp_path / "data"), cloud) as r:
            assert what_is(r) == before
            said = [e for e in r.store.read(rows.events) if e.kind == "mended"]
            assert len(said) == (2 if table == "instances" else 1)
            assert said[0].data["why"].startswith(f"{column} of ")
            assert said[0].data["damaged"] == '{"na'
            for agent in cloud.agents.values():
                agent.finish("1-1")
            await r.until("it ends", lambda: r.job_state() == "SUCCEEDED")
            assert r.broker.managed_job(job).attempt == 1
            assert set(cloud.starts.values()) == {1}

    run(scenario())


@every_column
def test_what_has_ended_is_mended_too_and_can_be_listed(tmp_path, table, column):
    async def scenario():
        cloud = ScriptedCloud()
        async with Running(str(tmp_path / "data"), cloud) as r:
            job = await r.broker.submit(job_request(task()))
            await r.until("it ends", lambda: r.job_state(job) == "SUCCEEDED")
            await r.until("nothing is left", lambda: r.cluster_state("t-1") == "TERMINATED")
            bill = r.broker.bill(job)
            damage(r, table, column)
        async with Running(str(tmp_path / "data"), cloud) as r:
            (said,) = [e for e in r.store.read(rows.events) if e.kind == "mended"]
            assert said.data["why"].startswith(f"{column} of ")
            assert r.broker.managed_job(job).state == "SUCCEEDED"
            assert r.broker.cluster("t-1").state == "TERMINATED"
            assert r.broker.job("t-1", 1)[1].state == "SUCCEEDED"
            assert r.broker.bill(job) == bill

    run(scenario())


def test_an_ended_cluster_of_which_too_little_is_left_hides_no_other(tmp_path):
    async def scenario():
        cloud = ScriptedCloud()
        async with Running(str(tmp_path / "data"), cloud) as r:
            job = await r.broker.submit(job_request(task()))
            await r.until("it ends", lambda: r.job_state(job) == "SUCCEEDED")
            await r.until("nothing is left", lambda: r.cluster_state("t-1") == "TERMINATED")
            damage(r, "clusters", "place", "candidates")
            damage(r, "instances", "offer")
            damage(r, "managed_jobs", "plan")
        async with Running(str(tmp_path / "data"), cloud) as r:
            (said,) = [e for e in r.store.read(rows.events) if e.kind == "set aside"]
            assert said.data["why"].endswith("is set aside")
            assert r.store.read(rows.clusters) == []
            assert r.job_state(job) == "SUCCEEDED"
            with pytest.raises(Refusal, match="the plan of managed job 1, .* is damaged"):
                r.broker.bill(job)

    run(scenario())


def test_a_cluster_of_ones_own_is_mended_from_its_job(tmp_path):
    async def scenario():
        cloud = ScriptedCloud()
        async with Running(str(tmp_path / "data"), cloud) as r:
            await r.broker.launch(launch_request(task("wait")))
            await r.until("it is up", lambda: r.cluster_state() == "UP")
            before = r.broker.cluster("c").task
            damage(r, "clusters", "task", "options")
        async with Running(str(tmp_path / "data"), cloud) as r:
            assert r.broker.cluster("c").task == before
            assert r.broker.cluster("c").options.rehearse
            await r.broker.down("c")
            assert cloud.running() == []

    run(scenario())


def test_what_cannot_be_mended_is_set_aside_and_the_rest_goes_on(tmp_path):
    async def scenario():
        cloud = ScriptedCloud()
        async with Running(str(tmp_path / "data"), cloud) as r:
            lost = await r.broker.submit(job_request(task("wait")))
            await r.until("it runs", lambda: r.job_state(lost) == "RUNNING")
            damage(r, "clusters", "place", "candidates")
            damage(r, "instances", "offer")
            damage(r, "managed_jobs", "plan")
            (taken,) = cloud.running()
            kept = await r.broker.submit(job_request(task("wait")))
            await r.until("it runs", lambda: r.job_state(kept) == "RUNNING")
        async with Running(str(tmp_path / "data"), cloud) as r:
            assert r.job_state(lost) == "FAILED_PRECHECKS"
            assert "says where cluster" in r.broker.managed_job(lost).why
            await r.until("its machine is ended", lambda: taken not in cloud.running())
            (said,) = [e for e in r.store.read(rows.events) if e.kind == "set aside"]
            assert said.data["row"]["place"] == '{"na'
            assert not [line for line in r.broker.bill(kept).instances if not line.running]
            assert r.job_state(kept) == "RUNNING"
            assert len(cloud.running()) == 1

    run(scenario())
