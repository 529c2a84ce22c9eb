"""A launch, a loss and a release interrupted at every boundary they pass: the next broker finishes them, and nothing is bought or run twice."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from tests.broker.harness import Running, job_request, run, task, until
from tests.broker.scripted import ScriptedCloud
from tradewind.broker.provider import ProviderError
from tradewind.broker.provision.boundary import LIFE, NAMES
from tradewind.broker.store import rows


class Interruption:
    """Stops the world at the n-th time a boundary is passed: whoever passes it, and all others, go no further."""

    def __init__(self, name: str, count: int) -> None:
        self.name, self.count = name, count
        self.reached = asyncio.Event()
        self.passed: Counter[str] = Counter()

    async def __call__(self, name: str) -> None:
        assert name in NAMES
        self.passed[name] += 1
        if self.reached.is_set() or (name == self.name and self.passed[name] == self.count):
            self.reached.set()
            await asyncio.get_running_loop().create_future()


def leaves_nothing(r: Running) -> bool:
    return r.job_state() == "SUCCEEDED" and r.cluster_state("t-1") == "TERMINATED"


async def loss_and_end(r: Running, *, until_stopped: asyncio.Event | None = None) -> None:
    """Drive the job from outside until it has ended: lose an instance in its first attempt, let the second one finish."""

    def stopped() -> bool:
        return until_stopped is not None and until_stopped.is_set()

    def moved() -> bool:
        if stopped() or leaves_nothing(r):
            return True
        job = r.broker.managed_job(1)
        if job.state == "RUNNING" and job.attempt == 1 and len(r.cloud.running()) == 2:
            r.cloud.kill(r.cloud.running()[1], "taken")
        if job.state == "RUNNING" and job.attempt > 1:
            for provider_id in r.cloud.running():
                agent = r.cloud.agents[provider_id]
                for (key, phase), info in list(agent.jobs.items()):
                    if phase == "run" and info.state == "RUNNING" and key == f"1-{job.attempt}":
                        agent.finish(key)
        return False

    await until("the job ends", moved, r.describe)


async def submit_once(r: Running) -> None:
    if not r.store.read(rows.managed_jobs):
        await r.broker.submit(job_request(task("wait", nodes=2, setup="exit 0"), client_key="k"))


def assert_sound(r: Running, *, refused: int = 0) -> None:
    """What holds after any number of interruptions."""
    assert r.cloud.instances == {}, "nothing is left"
    assert r.store.read(rows.live_instances) == []
    assert set(r.cloud.starts.values()) == {1}, "no phase of a job was started twice on an instance"
    everything = r.store.read(rows.events)
    launched = [e.data["instance_id"] for e in everything if e.kind == "launched"]
    ended = [e.data["instance_id"] for e in everything if e.kind == "ended"]
    assert sorted(launched) == sorted(set(launched)), "bought once"
    assert sorted(ended) == sorted(set(ended))
    assert set(launched) <= set(ended)
    assert len(ended) - len(launched) <= refused, "an intent that was refused ends too"
    assert sorted(launched) == sorted(i.instance_id for i in r.cloud.requests.values()), (
        "every instance is in the record"
    )
    job = r.broker.managed_job(1)
    assert job.attempt >= 2
    assert [e.kind for e in everything if e.subject == "job/1"].count("succeeded") == 1


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("name", LIFE)
def test_interrupted_there_it_is_finished_by_the_next(tmp_path, name, count):
    async def scenario():
        cloud = ScriptedCloud()
        interruption = Interruption(name, count)
        first = Running(tmp_path / "data", cloud, boundary=interruption)
        async with first as r:
            submitting = asyncio.ensure_future(submit_once(r))
            driving = asyncio.ensure_future(_until_submitted_then(r, interruption))
            reached = asyncio.ensure_future(interruption.reached.wait())
            await asyncio.wait({reached, driving}, return_when="FIRST_COMPLETED")
            for pending in (submitting, driving, reached):
                pending.cancel()
            await asyncio.gather(submitting, driving, reached, return_exceptions=True)
        if not interruption.reached.is_set():
            assert interruption.passed[name] < count, "it ended without passing that boundary so often"
            assert interruption.passed[name] > 0, f"{name} is never passed"
        async with Running(tmp_path / "data", cloud) as r:
            await submit_once(r)
            await loss_and_end(r)
            assert_sound(r)

    run(scenario())


async def _until_submitted_then(r: Running, interruption: Interruption) -> None:
    await until("it is submitted", lambda: bool(r.store.read(rows.managed_jobs)), r.describe)
    await loss_and_end(r, until_stopped=interruption.reached)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("name", [name for name in LIFE if name.startswith("release:") and name != "release:done"])
def test_a_try_that_was_being_given_up_is_given_up_by_the_next(tmp_path, name, count):
    """One of two instances is refused, and the broker dies while it ends the other: that one must not stand for a gang, or be held to run."""

    async def scenario():
        cloud = ScriptedCloud()
        cloud.scopes["no"] = ("capacity", "zone")
        cloud.refusals = [None, ProviderError("local", "no", "sold out")]
        interruption = Interruption(name, count)
        async with Running(tmp_path / "data", cloud, boundary=interruption) as r:
            submitting = asyncio.ensure_future(submit_once(r))
            await asyncio.wait_for(interruption.reached.wait(), 20)
            submitting.cancel()
            await asyncio.gather(submitting, return_exceptions=True)
        async with Running(tmp_path / "data", cloud) as r:
            await submit_once(r)
            await until("it runs", lambda: r.job_state() == "RUNNING", r.describe)
            assert {row.state for row in r.store.read(rows.live_instances)} == {"RUNNING"}
            assert len(cloud.running()) == 2
            await loss_and_end(r)
            assert_sound(r, refused=1)

    run(scenario())


def test_interrupted_at_random_again_and_again(tmp_path):
    """Ten brokers in a row, each stopped at some moment of its work; the last one finishes."""

    async def scenario():
        cloud = ScriptedCloud()
        for life in range(10):
            async with Running(tmp_path / "data", cloud) as r:
                await submit_once(r)
                driving = asyncio.ensure_future(loss_and_end(r))
                await asyncio.wait({driving}, timeout=0.01 + 0.02 * life)
                driving.cancel()
                await asyncio.gather(driving, return_exceptions=True)
        async with Running(tmp_path / "data", cloud) as r:
            await loss_and_end(r)
            assert_sound(r)

    run(scenario())
