"""An agent killed at any moment: the next one ends what it left, says what was lost, and runs nothing twice."""

from __future__ import annotations

import asyncio
import contextlib
import signal

from tradewind.agent.environment import agent_mark
from tradewind.agent.processes import marked
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
        assert len(marked(agent_mark(agent.home))) >= 2
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
