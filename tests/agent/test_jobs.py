"""Jobs on a real agent: output, ends, cancels, environment."""

from __future__ import annotations

import asyncio
import os
import threading
import time

import pytest

from tradewind.agent import jobs as jobs_module
from tradewind.agent.checkpoints.store import Restoration, StoreError
from tradewind.agent.jobs import Jobs
from tradewind.agent.protocol import CancelJob, Configure, JobEnded, ListJobs, StartJob
from tradewind.agent.protocol import Jobs as JobList
from tradewind.agent.state import StateDirectory
from tradewind.broker.provision.agent_client import AgentRefused
from tradewind.spec.variables import too_large


async def output(client, job_id: str, **options) -> bytes:
    return b"".join([piece async for piece in client.read_log(job_id, follow=True, **options)])


def sleepers(seconds: str) -> int:
    found = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                found += file.read() == f"sleep\0{seconds}\0".encode()
        except OSError:
            continue
    return found


def test_setup_and_run_in_order_in_one_log(connected, end_of, run, agent):
    async def scenario():
        async with connected() as client:
            await client.call(StartJob("1-1", "setup", "echo setting up; pwd; touch made"))
            assert (await end_of(client, "1-1")).state == "SUCCEEDED"
            await client.call(StartJob("1-1", "run", "ls; echo bad >&2; exit 4"))
            assert await output(client, "1-1") == f"setting up\n{agent.home}/workdir\nmade\nbad\n".encode()
            (setup, ran) = (await client.call(ListJobs())).jobs
            assert (setup.state, setup.exit_code, ran.state, ran.exit_code, ran.signal) == (
                "SUCCEEDED", 0, "FAILED", 4, None,
            )  # fmt: skip
            assert ran.log_bytes == len(await output(client, "1-1"))
            assert setup.started_unix <= setup.ended_unix <= ran.started_unix <= ran.ended_unix

    run(scenario())


@pytest.mark.parametrize(
    ("script", "exit_code", "number"),
    [("exit 0", 0, None), ("exit 255", 255, None), ("kill -SEGV $$", None, 11), ("kill -9 $$", None, 9)],
)
def test_how_it_ended_is_exact(connected, end_of, run, script, exit_code, number):
    async def scenario():
        async with connected() as client:
            await client.call(StartJob("1-1", "run", f"echo last words; {script}"))
            ended = await end_of(client, "1-1")
            assert (ended.exit_code, ended.signal) == (exit_code, number)
            assert ended.state == ("SUCCEEDED" if exit_code == 0 else "FAILED")
            assert ended.last_lines == ("" if exit_code == 0 else "last words")

    run(scenario())


def test_an_order_sent_twice_is_done_once(connected, end_of, run):
    async def scenario():
        async with connected() as client:
            order = StartJob("1-1", "run", "echo x")
            await asyncio.gather(*(client.call(order) for _ in range(5)))
            await end_of(client, "1-1")
            await client.call(order)
            assert await output(client, "1-1") == b"x\n"
            assert len((await client.call(ListJobs())).jobs) == 1

    run(scenario())


def test_the_environment(connected, end_of, run, agent, monkeypatch):
    async def scenario():
        async with connected(configure=False) as client:
            with pytest.raises(AgentRefused, match="Configure"):
                await client.call(StartJob("1-1", "run", "env"))
            await client.call(Configure("c", 1, ("127.1.1.1", "127.2.2.2"), time.time() + 600, "A100", 8))
            await client.call(StartJob("1-1", "run", "env -0", {"MINE": "a\nb"}, {"TOKEN": "hush"}))
            await end_of(client, "1-1")
            pairs = dict(item.split("=", 1) for item in (await output(client, "1-1")).decode().split("\0") if item)
        assert pairs["MINE"] == "a\nb"
        assert pairs["TOKEN"] == "hush"
        assert pairs["HOME"] == agent.home
        assert pairs["TRADEWIND_JOB_ID"] == pairs["SKYPILOT_TASK_ID"] == "1-1"
        assert pairs["TRADEWIND_NODE_RANK"] == pairs["SKYPILOT_NODE_RANK"] == "1"
        assert pairs["TRADEWIND_NUM_NODES"] == pairs["SKYPILOT_NUM_NODES"] == "2"
        assert pairs["TRADEWIND_NODE_IPS"] == pairs["SKYPILOT_NODE_IPS"] == "127.1.1.1\n127.2.2.2"
        assert pairs["TRADEWIND_NUM_GPUS_PER_NODE"] == pairs["SKYPILOT_NUM_GPUS_PER_NODE"] == "8"
        assert pairs["TRADEWIND_CHECKPOINT_DIR"] == f"{agent.home}/checkpoints/1-1/rank-1"
        assert "TRADEWIND_ADDRESS" not in pairs

    run(scenario())
    for folder, _, files in os.walk(agent.home):
        for name in files:
            if not name.endswith((".sock", ".log")):
                with open(os.path.join(folder, name), "rb") as file:
                    assert b"hush" not in file.read(), name
    assert "hush" not in agent.said()


def test_as_many_variables_as_a_task_may_have_reach_the_program(connected, end_of, run):
    envs = {f"V{number}": "x" * 100_000 for number in range(16)}
    assert not too_large(envs)

    async def scenario():
        async with connected() as client:
            await client.call(StartJob("1-1", "run", "echo ${#V0} ${#V15}", envs=envs))
            assert (await end_of(client, "1-1")).state == "SUCCEEDED"
            assert await output(client, "1-1") == b"100000 100000\n"

    run(scenario())


def test_a_cancel_ends_what_ignores_it_and_what_ran_away(connected, end_of, run):
    tag = f"7{os.getpid()}"
    script = f"""
    setsid sleep {tag} &
    (setsid bash -c "trap '' TERM; (setsid sleep {tag} &); while true; do sleep {tag}; done" &)
    trap '' TERM
    echo ready
    while true; do sleep {tag}; done
    """

    async def scenario():
        async with connected() as client:
            await client.call(StartJob("1-1", "run", script))
            deadline = time.monotonic() + 10
            while sleepers(tag) < 4:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.01)
            before = time.monotonic()
            await client.call(CancelJob("1-1", 0.5))
            assert time.monotonic() - before >= 0.5
            assert sleepers(tag) == 0
            ended = await end_of(client, "1-1")
            assert (ended.state, ended.signal) == ("CANCELLED", 9)
            await client.call(CancelJob("1-1"))
            await client.call(CancelJob("no-such-job"))

    run(scenario())


def test_a_job_that_heeds_the_signal_gets_its_grace(connected, end_of, run):
    async def scenario():
        async with connected() as client:
            await client.call(
                StartJob("1-1", "run", "trap 'echo saved; exit 7' TERM; echo up; while true; do sleep 0.05; done")
            )
            async for piece in client.read_log("1-1", follow=True):
                if b"up" in piece:
                    break
            await client.call(CancelJob("1-1", 1000))  # of which it needs next to nothing
            ended = await end_of(client, "1-1")
            assert (ended.state, ended.exit_code) == ("CANCELLED", 7)
            assert (await output(client, "1-1")).endswith(b"saved\n")

    run(scenario())


def test_nothing_of_a_job_outlives_its_run(connected, end_of, run):
    tag = f"8{os.getpid()}"

    async def scenario():
        async with connected() as client:
            await client.call(StartJob("1-1", "setup", f"(setsid sleep {tag} &)"))
            await end_of(client, "1-1")
            deadline = time.monotonic() + 5
            while sleepers(tag) != 1:  # what a setup starts serves the run
                assert time.monotonic() < deadline
            await client.call(StartJob("1-1", "run", f"(setsid sleep {tag} &) ; true"))
            events = client.subscribe()
            async for event in events:
                if isinstance(event.fact, JobEnded) and event.fact.phase == "run":
                    break
            await events.aclose()
            assert sleepers(tag) == 0

    run(scenario())


def test_what_cannot_start_is_refused_and_may_be_sent_again(connected, run):
    async def scenario():
        async with connected() as client:
            with pytest.raises(AgentRefused, match=r"s3://bucket.*this version knows file"):
                await client.call(StartJob("1-1", "run", "true", checkpoint_uri="s3://bucket"))
            with pytest.raises(AgentRefused, match="cannot name a job"):
                await client.call(StartJob("../1", "run", "true"))
            with pytest.raises(AgentRefused, match="could not start"):
                await client.call(StartJob("1-1", "run", "true", envs={"A=B": "nul\0"}))
            assert await client.call(ListJobs()) == JobList(())
            await client.call(StartJob("1-1", "run", "true"))

    run(scenario())


def test_a_script_longer_than_an_argument_may_be(connected, end_of, run):
    async def scenario():
        async with connected() as client:
            await client.call(StartJob("1-1", "run", "# " + "x" * 200_000 + "\necho fine"))
            assert (await end_of(client, "1-1")).state == "SUCCEEDED"
            assert await output(client, "1-1") == b"fine\n"

    run(scenario())


def test_a_start_is_answered_while_a_large_checkpoint_still_comes_back(tmp_path, run, monkeypatch):
    monkeypatch.setattr(jobs_module, "ANSWER_WITHIN_S", 0.05)
    released = threading.Event()
    outcome = "the disk is gone"

    class SlowStore:
        def restore(self, directory):
            released.wait(10)
            if outcome:
                raise StoreError(outcome)
            return Restoration((), "", ())

        def keep(self, entry, source):
            return True

    monkeypatch.setattr(jobs_module, "open_store", lambda uri, rank: SlowStore())

    async def scenario():
        nonlocal outcome
        state = StateDirectory(str(tmp_path))
        os.makedirs(state.path)
        told = []
        jobs = Jobs(
            state, emit=told.append, node_environment=lambda: dict(os.environ), place=lambda: None,
            runtime_address=lambda: "",
        )  # fmt: skip
        await jobs.start(StartJob("1-1", "run", "true", checkpoint_uri="slow:"))
        assert jobs.known() == ()
        assert not jobs.is_over("1-1")
        released.set()
        while not told:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        assert told == [
            JobEnded("1-1", "run", "FAILED", last_lines="tradewind: job 1-1 could not start: the disk is gone")
        ]
        assert jobs.is_over("1-1")
        released.clear()
        outcome = ""
        await jobs.start(StartJob("1-2", "run", "true", checkpoint_uri="slow:"))
        cancelling = asyncio.create_task(jobs.cancel("1-2", 1))
        await asyncio.sleep(0.01)
        released.set()
        await cancelling
        assert told[-1] == JobEnded("1-2", "run", "CANCELLED")

    run(scenario())
