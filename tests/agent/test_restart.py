"""An agent killed at any moment: the next one ends what it left, says what was lost, and runs nothing twice."""

from __future__ import annotations

import asyncio
import contextlib
import signal

import pytest

from tradewind.agent.environment import agent_mark
from tradewind.agent.processes import end_marked, marked
from tradewind.agent.protocol import JobEnded, ListJobs, StartJob
from tradewind.broker.provision.agent_client import AgentGone


def test_killed_with_a_job_running(agent, run, end_of, tmp_path):
    ran = tmp_path / "ran"
    script = f"echo once >> {ran}; (setsid sleep 1000 &); sleep 1000"

    async def scenario():
        client = await agent.connect()
        await client.call(StartJob("1-1", "setup", "true"))
        await end_of(client, "1-1")
        await client.call(StartJob("1-1", "run", script))
        while not ran.exists():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        welcome = await client.hello("x")
        agent.kill()
        await client.close()
        while len(marked(agent_mark(agent.home))) < 2:  # noqa: ASYNC110  its programs live on, and one is just being started
            await asyncio.sleep(0.005)
        agent.start()
        client = await agent.connect(configure=False)  # it remembers its place
        assert marked(agent_mark(agent.home)) == []
        jobs = {job.phase: job.state for job in (await client.call(ListJobs())).jobs}
        assert jobs == {"setup": "SUCCEEDED", "run": "LOST"}
        event = await anext(client.subscribe(welcome.last_seq))
        assert event.seq == welcome.last_seq + 1
        assert isinstance(event.fact, JobEnded)
        assert (event.fact.job_id, event.fact.phase, event.fact.state) == ("1-1", "run", "LOST")
        await client.call(StartJob("1-1", "run", script))  # the same order again: it was done
        assert (await client.hello("x")).lease_until_unix == welcome.lease_until_unix
        await client.close()
        assert ran.read_text() == "once\n"

    run(scenario())


WITHOUT_AN_AGENT = """
cd "$TRADEWIND_CHECKPOINT_DIR"
while [ ! -e $GONE ]; do sleep 0.02; done
"""


@pytest.fixture
def saved_without_an_agent(agent, connected, end_of, tmp_path):
    """What the next run of a job finds that saved something by `script` once its agent was dead; `machine_too`: and its programs ended then."""

    async def found(script: str, *, machine_too: bool = False) -> list[str]:
        gone, saved, seen = (tmp_path / name for name in ("gone", "saved", "seen"))
        script = f"{WITHOUT_AN_AGENT}{script}; touch {saved}; sleep 1000"
        store = f"file://{tmp_path}/store"
        async with connected() as client:
            await client.call(StartJob("1-1", "run", script, envs={"GONE": str(gone)}, checkpoint_uri=store))
            agent.kill()
        gone.touch()
        while not saved.exists():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        if machine_too:
            assert end_marked(agent_mark(agent.home))
        agent.start()
        async with connected(configure=False) as client:
            again = f"ls $TRADEWIND_CHECKPOINT_DIR > {seen}"
            await client.call(StartJob("1-2", "run", again, checkpoint_uri=store))
            await end_of(client, "1-2")
        return seen.read_text().split()

    return found


def test_what_a_job_saved_while_no_agent_looked_is_kept(saved_without_an_agent, run):
    """Within one tick of the clock too, when no file tells that it was renamed, and as a directory."""
    script = """
    for n in 1 2 3; do echo $n > x.tmp; mv x.tmp step-$n; done
    mkdir y.tmp; echo 4 > y.tmp/part; mv y.tmp step-4
    """
    assert run(saved_without_an_agent(script.strip())) == ["step-1", "step-2", "step-3", "step-4"]


def test_what_ended_with_its_agent_keeps_nothing_that_may_be_half_written(saved_without_an_agent, run):
    script = "echo half > in-place; echo 1 > x.tmp; touch -d @1 x.tmp; mv x.tmp step-1"
    assert run(saved_without_an_agent(script, machine_too=True)) == ["step-1"]


def test_told_to_end_it_ends_its_jobs(agent, run):
    async def scenario():
        client = await agent.connect()
        await client.call(StartJob("1-1", "run", "sleep 1000"))
        assert agent.kill(signal.SIGTERM) == 0
        assert marked(agent_mark(agent.home)) == []
        await client.close()

    run(scenario())


def test_killed_at_any_moment_of_a_start_it_never_runs_twice(agent, run, tmp_path):
    """The broker, unsure whether its order arrived, sends it again to the next agent."""
    seen = set()

    async def one(n: int) -> None:
        ran = tmp_path / f"ran-{n}"
        order = StartJob(f"1-{n}", "run", f"echo once >> {ran}")
        client = await agent.connect()
        ordering = asyncio.create_task(client.call(order))
        await asyncio.sleep(n * 0.0007)
        agent.kill()
        with contextlib.suppress(AgentGone):
            await ordering
        await client.close()
        agent.start()
        client = await agent.connect(configure=False)
        await client.call(order)
        while (state := await state_of(client, f"1-{n}")) == "RUNNING":  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        seen.add(state)
        lines = ran.read_text().count("once") if ran.exists() else 0
        assert lines == 1 if state == "SUCCEEDED" else lines <= 1
        await client.close()

    async def scenario():
        for n in range(12):
            await one(n)

    run(scenario())
    assert seen <= {"SUCCEEDED", "LOST"}


async def state_of(client, job_id: str) -> str:
    return next(job.state for job in (await client.call(ListJobs())).jobs if job.job_id == job_id)
