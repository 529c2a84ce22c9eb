"""What people ask of managed jobs, carried out on a scripted cloud: restarts, pauses, retries, cancels, arrays, caps, budgets, secrets."""

from __future__ import annotations

import msgspec
import pytest

from tests.broker.harness import Running, job_request, run, task
from tests.broker.scripted import ScriptedCloud
from tradewind.agent import protocol as wire
from tradewind.broker.jobs.limits import FILE_NAME
from tradewind.broker.lifecycle import managed_job as mm
from tradewind.broker.provider import ProviderError
from tradewind.broker.server.requests import ArrayRequest, Refusal
from tradewind.broker.store import listing, rows
from tradewind.broker.store.database import FILE_NAME as RECORD
from tradewind.broker.store.waiting import load
from tradewind.spec.task import JobRecovery

TOKEN = "s3cr3t-t0ken"


@pytest.fixture
def directory(tmp_path):
    return str(tmp_path / "data")


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(mm.table, "FIRST_RESTART_S", 0.02)
    monkeypatch.setattr(mm.table, "RETRY_AFTER_NO_PLACE_S", 0.02)


def with_(what, **more):
    return msgspec.structs.replace(what, **more)


def agent(r):
    (one,) = [r.cloud.agents[p] for p in r.cloud.running()]
    return one


async def until_state(r, job_id, state):
    await r.until(f"it is {state}", lambda: r.job_state(job_id) == state)


def test_a_program_that_fails_is_started_again_on_the_same_machines(directory):
    async def scenario():
        cloud = ScriptedCloud()
        async with Running(directory, cloud) as r:
            recovery = JobRecovery(max_restarts_on_errors=1, recover_on_exit_codes=(33,))
            job = await r.broker.submit(job_request(with_(task("wait"), job_recovery=recovery)))
            for attempt, code in ((1, 33), (2, 1)):
                await r.until(
                    "it runs",
                    lambda n=attempt: r.broker.managed_job(job).attempt == n and r.job_state(job) == "RUNNING",
                )
                machines = cloud.running()
                agent(r).finish(f"1-{attempt}", exit_code=code)
            await r.until(
                "it runs a third time", lambda: r.broker.managed_job(job).attempt == 3 and r.job_state(job) == "RUNNING"
            )
            assert cloud.running() == machines, "the machines are kept"
            agent(r).finish("1-3", exit_code=1)
            await until_state(r, job, "FAILED")
            assert "after 2 restarts" in r.broker.managed_job(job).why
            assert r.broker.managed_job(job).recoveries == 0
            ends = [a.end for a in r.store.read(lambda c: rows.attempts_of(c, job))]
            assert ends == ["restarting", "restarting", "failed"]
            await r.until("nothing is left", lambda: cloud.instances == {})

    run(scenario())


def test_a_job_that_was_to_be_restarted_is_when_the_daemon_comes_back(directory, monkeypatch):
    async def scenario():
        cloud = ScriptedCloud()
        monkeypatch.setattr(mm.table, "FIRST_RESTART_S", 3600.0)
        async with Running(directory, cloud) as r:
            job = await r.broker.submit(
                job_request(with_(task("wait"), job_recovery=JobRecovery(max_restarts_on_errors=1)))
            )
            await until_state(r, job, "RUNNING")
            agent(r).finish("1-1", exit_code=1)
            await until_state(r, job, "RECOVERING")
        monkeypatch.setattr(mm.table, "FIRST_RESTART_S", 0.01)
        async with Running(directory, cloud) as r:
            await r.until(
                "it runs again", lambda: r.broker.managed_job(job).attempt == 2 and r.job_state(job) == "RUNNING"
            )

    run(scenario())


def test_set_up_that_dies_again_and_again_is_given_up(directory):
    async def scenario():
        async with Running(directory, ScriptedCloud()) as r:
            recovery = JobRecovery(max_restarts_on_errors=100)
            job = await r.broker.submit(job_request(with_(task("exit 0", setup="exit 4"), job_recovery=recovery)))
            await until_state(r, job, "FAILED_SETUP")
            assert "set-up failed 3 times in a row" in r.broker.managed_job(job).why

    run(scenario())


def test_a_paused_job_costs_nothing_and_goes_on(directory):
    async def scenario():
        cloud = ScriptedCloud()
        async with Running(directory, cloud) as r:
            job = await r.broker.submit(job_request(task("wait", nodes=2)))
            await until_state(r, job, "RUNNING")
            await r.broker.desk.change(job, "pause")
            await until_state(r, job, "PAUSED")
            assert cloud.instances == {}
            assert r.broker.is_idle(), "a paused job keeps no daemon up"
            with pytest.raises(Refusal, match="is PAUSED already; only a job that failed or was cancelled"):
                await r.broker.desk.change(job, "retry")
            await r.broker.desk.change(job, "resume")
            await until_state(r, job, "RUNNING")
            assert len(cloud.running()) == 2
            assert r.broker.managed_job(job).attempt == 2
            await r.broker.cancel_managed(job)
            await until_state(r, job, "CANCELLED")
            assert cloud.instances == {}

    run(scenario())


def test_what_failed_is_tried_again_under_the_same_number(directory):
    async def scenario():
        cloud = ScriptedCloud()
        async with Running(directory, cloud) as r:
            job = await r.broker.submit(job_request(task("wait")))
            await until_state(r, job, "RUNNING")
            agent(r).finish("1-1", exit_code=1)
            await until_state(r, job, "FAILED")
            await r.broker.desk.change(job, "retry")  # its old cluster may still be on its way out
            await until_state(r, job, "RUNNING")
            await r.until("the old cluster is gone", lambda: len(cloud.running()) == 1)
            again = r.broker.managed_job(job)
            assert (again.attempt, again.ended_unix, again.checkpoint_uri[-2:]) == (2, None, "/1")
            agent(r).finish(f"{again.cluster_id}-1")
            await until_state(r, job, "SUCCEEDED")
            with pytest.raises(Refusal, match="is SUCCEEDED already"):
                await r.broker.desk.change(job, "retry")

    run(scenario())


@pytest.mark.parametrize("state", ["PENDING", "STARTING", "RUNNING", "RECOVERING", "PAUSING", "PAUSED", "CANCELLING"])
def test_a_cancel_in_every_state_ends_it_and_leaves_nothing(directory, state):
    async def scenario():
        cloud = ScriptedCloud()
        async with Running(directory, cloud) as r:
            later = None
            if state == "PENDING":
                later = r.broker.services.now() + 3600
            job = await r.broker.submit(job_request(task("wait"), not_before_unix=later))
            if state == "STARTING":
                await r.until("it starts", lambda: r.job_state(job) != "PENDING")
            elif state != "PENDING":
                await until_state(r, job, "RUNNING")
            if state == "RECOVERING":
                r.planner.offers = ()
                cloud.kill(cloud.running()[0])
                await until_state(r, job, "RECOVERING")
            elif state in {"PAUSING", "PAUSED"}:
                await r.broker.desk.change(job, "pause")
                if state == "PAUSED":
                    await until_state(r, job, "PAUSED")
            elif state == "CANCELLING":
                await r.broker.cancel_managed(job)
            if r.job_state(job) not in mm.FINAL:
                await r.broker.cancel_managed(job)
            await until_state(r, job, "CANCELLED")
            await r.until("nothing is left", lambda: not cloud.running())

    run(scenario())


def test_ten_megabytes_of_variables_are_refused_before_anything_is_bought(directory):
    async def scenario():
        async with Running(directory, ScriptedCloud()) as r:
            large = msgspec.structs.replace(task("wait"), envs={f"V{number}": "x" * 100_000 for number in range(100)})
            with pytest.raises(
                Refusal, match="have 10,000,490 bytes, and 1,700,000 is what every Linux gives a process"
            ):
                await r.broker.submit(job_request(large))
            assert r.cloud.instances == {}

    run(scenario())


def test_a_job_starts_when_its_time_has_come(directory):
    async def scenario():
        async with Running(directory, ScriptedCloud()) as r:
            soon = r.broker.services.now() + 0.3
            job = await r.broker.submit(job_request(task("wait"), not_before_unix=soon))
            assert "starts in" in r.broker.desk.waiting_for(r.broker.managed_job(job))
            await until_state(r, job, "RUNNING")
            assert r.broker.services.now() >= soon

    run(scenario())


def array_request(members, *, max_active=None, what=None, **more):
    return ArrayRequest(job=job_request(what or task("wait"), **more), members=members, max_active=max_active)


def test_an_array_keeps_to_its_limit_and_is_one_thing_to_look_at_and_cancel(directory):
    async def scenario():
        cloud = ScriptedCloud()
        async with Running(directory, cloud) as r:
            members = tuple({"LR": str(n)} for n in range(5))
            array = await r.broker.desk.submit_array(array_request(members, max_active=2, client_key="k"))
            assert await r.broker.desk.submit_array(array_request(members, client_key="k")) == array
            await r.until("two run", lambda: r.store.read(listing.counts).get("RUNNING") == 2)
            listed = r.broker.desk.list_jobs(listing.Filter(array_id=array))
            assert [one["name"] for one in listed] == [f"t-{n}" for n in range(5)]
            assert listed[4]["waiting_for"] == "one of the 2 active jobs of its array to end (its own limit)"
            envs = {o.envs["LR"] for a in cloud.agents.values() for o in a.orders if isinstance(o, wire.StartJob)}
            assert envs == {"0", "1"}
            first = cloud.agents[cloud.running()[0]]
            first.finish(next(iter(first.jobs))[0])
            await r.until("the third runs", lambda: r.job_state(3) == "RUNNING")
            view = r.broker.desk.array_view(r.broker.desk.array(array))
            assert (view["size"], view["ended"], view["succeeded"]) == (5, 1, 1)
            changed = await r.broker.desk.change_array(array, "cancel")
            assert (changed.changed, changed.left) == (4, 1)
            await r.until("all have ended", lambda: r.broker.desk.array_view(r.broker.desk.array(array))["ended"] == 5)
            assert (await r.broker.desk.change_array(array, "retry")).changed == 4
            await r.until("two run again", lambda: r.store.read(listing.counts).get("RUNNING") == 2)
            await r.broker.desk.change_array(array, "cancel")
            await r.until("nothing is left", lambda: cloud.instances == {})

    run(scenario())


def test_an_array_that_cannot_be_is_refused(directory):
    async def scenario():
        async with Running(directory, ScriptedCloud()) as r:
            with pytest.raises(Refusal, match="1 to 10000 jobs, not 0"):
                await r.broker.desk.submit_array(array_request(()))
            with pytest.raises(Refusal, match="max_active must be at least 1"):
                await r.broker.desk.submit_array(array_request(({},), max_active=0))
            with pytest.raises(Refusal, match="no array 9"):
                await r.broker.desk.change_array(9, "cancel")

    run(scenario())


def test_the_cap_on_everything_holds_jobs_back_and_refuses_what_never_could(directory, tmp_path):
    async def scenario():
        async with Running(directory, ScriptedCloud()) as r:
            (tmp_path / "data" / FILE_NAME).write_text("max_hourly_cost: 0.25\n")
            jobs = [await r.broker.submit(job_request(task("wait"))) for _ in range(3)]  # 0.1 USD/h each
            await r.until("two run", lambda: r.store.read(listing.counts).get("RUNNING") == 2)
            assert r.store.read(load)[True].hourly_usd == pytest.approx(0.2)
            assert "would exceed the cap of 0.25 USD/h" in r.broker.desk.waiting_for(r.broker.managed_job(jobs[2]))
            with pytest.raises(Refusal, match="limits.yaml allows 0.25 USD/h for everything together"):
                await r.broker.submit(job_request(task("wait", nodes=3)))
            (tmp_path / "data" / FILE_NAME).write_text("max_hourly_cost: cheap\n")
            with pytest.raises(Refusal, match="limits.yaml: "):
                await r.broker.submit(job_request(task("wait")))

    run(scenario())


def test_a_job_is_warned_and_then_ended_by_its_budget(directory):
    async def scenario():
        cloud = ScriptedCloud()
        async with Running(directory, cloud) as r:
            # 0.1 USD/h: five seconds of lead are 0.000139 USD, so 0.00015 is nearly spent from the beginning.
            job = await r.broker.submit(job_request(with_(task("wait"), budget_usd=0.00015)))
            await until_state(r, job, "CANCELLED")
            row = r.broker.managed_job(job)
            assert row.why.startswith("its budget of 0.00015 USD is spent")
            assert "budget nearly spent" in r.kinds(subject=row.subject)
            assert r.broker.bill(job).spent_usd <= 0.00015
            assert cloud.instances == {}

    run(scenario())


def test_when_everyones_budget_is_spent_nothing_new_starts_and_what_runs_is_ended(directory, tmp_path):
    async def scenario():
        cloud = ScriptedCloud()
        async with Running(directory, cloud) as r:
            job = await r.broker.submit(job_request(task("wait")))
            await until_state(r, job, "RUNNING")
            (tmp_path / "data" / FILE_NAME).write_text("budget: 0.0001\n")
            await until_state(r, job, "CANCELLED")
            assert "limits.yaml is spent" in r.broker.managed_job(job).why
            other = await r.broker.submit(job_request(task("wait")))
            row = r.broker.managed_job(other)
            assert row.state == "PENDING"
            assert r.broker.desk.waiting_for(row).startswith("money: the budget of 0.0001 USD")
            (tmp_path / "data" / FILE_NAME).unlink()
            await until_state(r, other, "RUNNING")

    run(scenario())


def test_a_secret_reaches_the_program_and_is_nowhere_in_clear(directory, tmp_path):
    async def scenario():
        cloud = ScriptedCloud()
        async with Running(directory, cloud) as r:
            what = with_(task("wait"), secrets=("TOKEN",))
            with pytest.raises(Refusal, match="secrets TOKEN were not given"):
                await r.broker.submit(job_request(what))
            with pytest.raises(Refusal, match="shorter than 4"):
                await r.broker.submit(job_request(what, secrets={"TOKEN": "abc"}))
            job = await r.broker.submit(job_request(what, secrets={"TOKEN": TOKEN}))
            await until_state(r, job, "RUNNING")
            (start,) = [o for o in agent(r).orders if isinstance(o, wire.StartJob)]
            assert start.secret_envs == {"TOKEN": TOKEN}
            assert "TOKEN" not in start.envs
            one = agent(r)
            one.logs["1-1"] += f"the token is {TOKEN}\n".encode()
            one.jobs["1-1", "run"] = wire.JobInfo(job_id="1-1", phase="run", state="FAILED", exit_code=1)
            one.tell(wire.JobEnded(job_id="1-1", phase="run", state="FAILED", exit_code=1, last_lines=f"bad {TOKEN}"))
            await until_state(r, job, "FAILED")
            assert f"bad {'*' * len(TOKEN)}" in r.broker.managed_job(job).why
            log = tmp_path / "data" / "logs" / "1-1.log"
            await r.until("its log is here", lambda: b"token is" in log.read_bytes())
            for path in (tmp_path / "data").rglob("*"):
                assert path.is_dir() or TOKEN.encode() not in path.read_bytes(), path
            assert (tmp_path / "data" / RECORD).exists()

    run(scenario())


def test_a_key_used_for_another_task_is_refused(directory):
    async def scenario():
        async with Running(directory, ScriptedCloud()) as r:
            await r.broker.submit(job_request(task("wait"), client_key="k"))
            with pytest.raises(Refusal, match="the client key was used for managed job 1"):
                await r.broker.submit(job_request(task("exit 1"), client_key="k"))

    run(scenario())


def test_a_resumed_job_waits_for_a_place(directory):
    async def scenario():
        cloud = ScriptedCloud()
        async with Running(directory, cloud) as r:
            job = await r.broker.submit(job_request(task("wait")))
            await until_state(r, job, "RUNNING")
            await r.broker.desk.change(job, "pause")
            await until_state(r, job, "PAUSED")
            cloud.refusals = [ProviderError("local", "full", f"{i} is full") for i in range(3)]
            await r.broker.desk.change(job, "resume")
            await r.until("it waits", lambda: "no place" in r.kinds(subject="job/1"))
            assert r.job_state(job) == "RECOVERING"

    run(scenario())


@pytest.mark.parametrize("where", ["request", "task", "both"])
def test_one_persons_crowd_does_not_keep_another_waiting(directory, tmp_path, where):
    """Whom a job is for is said by its task file, or by who submits it, whose word goes before the file's."""

    def for_(share):
        in_task = {"request": "", "task": share, "both": "somebody else"}[where]
        what = msgspec.structs.replace(task("wait"), share=in_task)
        return job_request(what) if where == "task" else job_request(what, share=share)

    async def scenario():
        (tmp_path / "data").mkdir(mode=0o700)
        (tmp_path / "data" / "limits.yaml").write_text("max_active_jobs: 2\n")
        async with Running(directory, ScriptedCloud()) as r:
            for _ in range(70):
                await r.broker.submit(for_("crowd"))
            lone = await r.broker.submit(for_("lone"))
            await r.until("two of the crowd run", lambda: r.job_state(2) == "RUNNING")
            await r.broker.cancel_managed(1)
            await r.until("the other is next", lambda: r.job_state(lone) == "RUNNING")
            assert r.job_state(3) == "PENDING"

    run(scenario())


@pytest.mark.parametrize("jump_s", [-10 * 365 * 86400.0, 10 * 365 * 86400.0])
def test_a_clock_that_jumps_loses_no_job(directory, jump_s):
    async def scenario():
        async with Running(directory, ScriptedCloud()) as r:
            job = await r.broker.submit(job_request(task("wait")))
            held = await r.broker.submit(job_request(task("wait"), not_before_unix=r.broker.services.now() + 3600))
            await until_state(r, job, "RUNNING")
            clock = r.broker.services.clock
            r.broker.services.clock = lambda: clock() + jump_s
            r.cloud.kill(r.cloud.running()[0], "taken")
            await r.until("it recovers", lambda: r.broker.managed_job(job).recoveries == 1)
            after = await r.broker.submit(job_request(task("exit 0")))
            await until_state(r, after, "SUCCEEDED")
            assert r.job_state(held) == ("PENDING" if jump_s < 0 else "RUNNING")
            for agent in (r.cloud.agents[p] for p in r.cloud.running()):
                for key in [key for key, _ in agent.jobs]:
                    agent.finish(key)
            await until_state(r, job, "SUCCEEDED")

    run(scenario())
