"""A connection that ends is no loss: what runs on is found again, and only what stays out of reach while its cloud answers is given up."""

from __future__ import annotations

import asyncio

import pytest

from tests.broker.harness import Running, job_request, run, task
from tests.broker.scripted import ScriptedCloud, ScriptedTransport
from tradewind.broker.provider import ProviderError
from tradewind.broker.provision import driver, lapse, reach, watch
from tradewind.broker.provision.bootstrap import BootstrapError
from tradewind.broker.provision.gang import LEASE_S
from tradewind.broker.store import rows


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(watch, "RECONNECT_S", 0.3)
    monkeypatch.setattr(driver, "REACH_AGAIN_S", 0.2)
    monkeypatch.setattr(reach, "KNOCK_S", 0.1)
    monkeypatch.setattr(reach, "PAUSE_S", 0.02)


class Wire(ScriptedTransport):
    """A transport whose network can be cut: its connection ends then, and no other comes through."""

    def __init__(self, agent, puts, cloud):
        super().__init__(agent, puts)
        self.cloud = cloud

    async def wait_lost(self):
        await self.cloud.cut.wait()
        return "nothing was heard of it"


class FarCloud(ScriptedCloud):
    """Machines at the end of one network; `silent` says that the cloud itself is not heard either, `stranger` that somebody else answers there."""

    def __init__(self):
        super().__init__()
        self.cut = asyncio.Event()
        self.silent = False
        self.slow = False
        self.stranger = False

    async def connect(self, instance):
        if self.cut.is_set() and self.stranger:
            raise ProviderError(
                "local", "HostKeyChanged", "10.0.0.1 showed a host key that is not the one this machine was given"
            )
        if self.cut.is_set():
            await asyncio.Event().wait()
        if instance.provider_id not in self.instances:
            raise ProviderError("local", "ended", "it does not run")
        return Wire(self.agents[instance.provider_id], self.puts, self)

    async def describe(self, tags):
        if self.slow:
            await asyncio.Event().wait()
        if self.silent:
            raise ProviderError("local", "unreachable", "no route to host")
        return await super().describe(tags)

    def lose_way(self):
        self.cut.set()
        for agent in self.agents.values():
            for writer in list(agent._writers):
                writer.close()

    def mend(self):
        self.cut.clear()


async def at_work(r):
    await r.until("the job runs", lambda: r.job_state() == "RUNNING")


def told(r, kind):
    return sum(k == kind for k in r.kinds(managed_job_id=1))


def test_what_runs_on_is_found_again_and_nothing_is_started_anew(tmp_path):
    async def scenario():
        async with Running(str(tmp_path / "data"), FarCloud()) as r:
            await r.broker.submit(job_request(task("wait", nodes=2)))
            await at_work(r)
            r.cloud.lose_way()
            await r.until("it is noticed", lambda: told(r, "out of reach") == 2)
            r.cloud.mend()
            await r.until("both are back", lambda: told(r, "reached again") == 2)
            for agent in r.cloud.agents.values():
                agent.finish("1-1")
            await r.until("it ends", lambda: r.job_state() == "SUCCEEDED")
            assert r.broker.managed_job(1).attempt == 1
            assert set(r.cloud.starts.values()) == {1}

    run(scenario())


def test_a_cut_is_told_without_waiting_for_a_cloud_that_takes_its_time(tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "CLOUD_WORD_S", 0.1)

    async def scenario():
        async with Running(str(tmp_path / "data"), FarCloud()) as r:
            await r.broker.submit(job_request(task("wait")))
            await at_work(r)
            r.cloud.slow = True
            r.cloud.lose_way()
            await r.until("it is noticed", lambda: told(r, "out of reach") == 1)
            (event,) = r.store.read(lambda c: rows.events(c, managed_job_id=1, kinds=("out of reach",)))
            assert event.data["why"] == "nothing was heard of it"
            r.cloud.slow = False
            r.cloud.mend()
            await r.until("it is back", lambda: told(r, "reached again") == 1)

    run(scenario())


def test_who_is_cut_off_from_the_cloud_too_waits_however_long_that_takes(tmp_path):
    async def scenario():
        async with Running(str(tmp_path / "data"), FarCloud()) as r:
            await r.broker.submit(job_request(task("wait")))
            await at_work(r)
            r.cloud.lose_way()
            await r.until("it is noticed", lambda: told(r, "out of reach") == 1)
            r.cloud.silent = True
            await asyncio.sleep(3 * watch.RECONNECT_S)
            assert r.job_state() == "RUNNING"
            r.cloud.silent = False
            r.cloud.mend()
            await r.until("it is back", lambda: told(r, "reached again") == 1)
            assert r.broker.managed_job(1).attempt == 1

    run(scenario())


def test_what_stays_out_of_reach_is_ended_first_and_the_job_goes_on_elsewhere(tmp_path):
    async def scenario():
        async with Running(str(tmp_path / "data"), FarCloud()) as r:
            await r.broker.submit(job_request(task("wait")))
            await at_work(r)
            (first,) = r.cloud.running()
            r.cloud.lose_way()
            await r.until("it is ended", lambda: r.cloud.terminated == [first])
            r.cloud.mend()
            await r.until("it goes on", lambda: r.job_state() == "RUNNING" and r.broker.managed_job(1).attempt == 2)
            assert r.cloud.running() != [first]
            assert told(r, "preempted") >= 1

    run(scenario())


def test_what_shows_another_host_key_is_ended_and_the_reason_says_so(tmp_path):
    async def scenario():
        async with Running(str(tmp_path / "data"), FarCloud()) as r:
            await r.broker.submit(job_request(task("wait")))
            await at_work(r)
            (first,) = r.cloud.running()
            r.cloud.stranger = True
            r.cloud.lose_way()
            await r.until("it is ended", lambda: r.cloud.terminated == [first])
            r.cloud.mend()
            await r.until("it goes on", lambda: r.broker.managed_job(1).attempt == 2)
            (lost, *_) = [e for e in r.store.read(lambda c: rows.events(c, managed_job_id=1)) if e.kind == "preempted"]
            assert "showed a host key that is not the one this machine was given" in lost.data["why"]

    run(scenario())


class OwnMachines(FarCloud):
    """Machines that are lent: what is cut off is the first of them alone, and nobody else can say whether it runs."""

    def __init__(self):
        super().__init__()
        self.written_off = []

    async def connect(self, instance):
        if instance.provider_id == "p-0":
            return await super().connect(instance)
        return await ScriptedCloud.connect(self, instance)

    async def describe(self, tags):
        found = await ScriptedCloud.describe(self, tags)
        if self.cut.is_set() and "p-0" not in self.written_off and any(one.provider_id == "p-0" for one in found):
            raise ProviderError("ssh", "SshUnreachable", "it does not answer")
        return [one for one in found if one.provider_id not in self.written_off]

    async def write_off(self, provider_id):
        self.written_off.append(provider_id)


@pytest.mark.parametrize("restarted", [False, True])
def test_a_lent_machine_that_never_answers_again_is_given_up_with_its_lease(tmp_path, restarted):
    clock = [1.8e9]

    def now():
        return clock[0]

    async def scenario():
        cloud = OwnMachines()
        r = Running(str(tmp_path / "data"), cloud, clock=now)
        await r.broker.start()
        try:
            job = await r.broker.submit(job_request(task("wait")))
            await at_work(r)
            cloud.lose_way()
            await r.until("it is noticed", lambda: told(r, "out of reach") == 1)
            await r.until("it says so", lambda: "p-0 to answer" in r.broker.managed_job(job).waiting_for)
            await asyncio.sleep(3 * watch.RECONNECT_S)
            assert r.broker.managed_job(job).attempt == 1, "it may still run there"
            if restarted:
                await r.abandon()
                r = Running(str(tmp_path / "data"), cloud, clock=now)
                await r.broker.start()
            clock[0] += LEASE_S + lapse.MARGIN_S + 1
            await r.until("it goes on", lambda: r.broker.managed_job(job).attempt == 2 and r.job_state() == "RUNNING")
            assert cloud.written_off == ["p-0"]
            assert cloud.terminated == []
            assert "p-0 to answer" not in r.broker.managed_job(job).waiting_for
            await r.broker.cancel_managed(job)
            await r.until("nothing is left", lambda: r.job_state() == "CANCELLED")
        finally:
            await r.abandon()

    run(scenario())


def test_a_lent_machine_that_answers_again_is_waited_for_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "RECONNECT_S", 30.0)

    async def scenario():
        async with Running(str(tmp_path / "data"), OwnMachines()) as r:
            job = await r.broker.submit(job_request(task("wait")))
            await at_work(r)
            r.cloud.lose_way()
            await r.until("it says so", lambda: "p-0 to answer" in r.broker.managed_job(job).waiting_for)
            r.cloud.mend()
            await r.until("it is back", lambda: told(r, "reached again") == 1)
            assert r.broker.managed_job(job).waiting_for == ""
            assert r.broker.managed_job(job).attempt == 1

    run(scenario())


def test_a_daemon_that_finds_no_way_at_its_start_starts_nothing_anew(tmp_path):
    async def scenario():
        cloud = FarCloud()
        async with Running(str(tmp_path / "data"), cloud) as r:
            await r.broker.submit(job_request(task("wait")))
            await at_work(r)
        cloud.cut.set()
        cloud.silent = True
        async with Running(str(tmp_path / "data"), cloud) as r:
            await asyncio.sleep(0.2)
            cloud.silent = False
            cloud.mend()
            agent = next(iter(cloud.agents.values()))
            await r.until("it is heard again", lambda: bool(agent._writers))
            agent.finish("1-1")
            await r.until("it ends", lambda: r.job_state() == "SUCCEEDED")
            assert r.broker.managed_job(1).attempt == 1

    run(scenario())


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        ([TimeoutError(), ProviderError("aws", "SshUnreachable", "no"), None], "back"),
        ([TimeoutError(), BootstrapError("no agent answers")], "no agent"),
        ([TimeoutError()] * 50, "out of reach"),
    ],
)
def test_what_is_found_by_knocking(answers, found):
    waiting = list(answers)

    async def connect():
        answer = waiting.pop(0)
        if answer is not None:
            raise answer

    async def yes():
        return True

    assert asyncio.run(reach.reach_again(connect, yes, patience_s=0.2)) == found
