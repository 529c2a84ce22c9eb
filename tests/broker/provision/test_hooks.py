"""Hooks of a task, and what follows from a job that its cloud's notice ended, over a scripted cloud."""

from __future__ import annotations

import msgspec
import pytest

from tests.broker.harness import Running, launch_request, run, task
from tests.broker.scripted import ScriptedCloud
from tradewind.agent import protocol as wire
from tradewind.broker.store import rows
from tradewind.spec.settings import Hook, Settings

HOOKS = Settings(hooks=(Hook("save"), Hook("bye", events=("down",), timeout=5), Hook("soon", events=("preemption",))))


@pytest.fixture
def hooked():
    return msgspec.structs.replace(task("wait"), config=HOOKS)


def test_each_hook_runs_where_its_event_is(tmp_path, hooked):
    async def scenario():
        cloud = ScriptedCloud()
        async with Running(str(tmp_path / "data"), cloud) as r:
            await r.broker.launch(launch_request(hooked))
            await r.until("it runs", lambda: r.store.read(lambda c: rows.job(c, 1, 1)).state == "RUNNING")
            (agent,) = cloud.agents.values()
            (start,) = [order for order in agent.orders if isinstance(order, wire.StartJob)]
            assert start.preemption_hooks == (wire.Hook("save"), wire.Hook("soon"))
            await r.broker.down("c")
            orders = [type(order) for order in agent.orders]
            assert orders.index(wire.RunHooks) < orders.index(wire.CancelJob)  # the job is still there for them
            (told,) = [order for order in agent.orders if isinstance(order, wire.RunHooks)]
            assert told.hooks == (wire.Hook("save"), wire.Hook("bye", timeout_s=5))

    run(scenario())


def test_a_job_that_a_notice_ended_is_lost_and_says_so(tmp_path, hooked):
    async def scenario():
        cloud = ScriptedCloud()
        async with Running(str(tmp_path / "data"), cloud) as r:
            await r.broker.launch(launch_request(hooked))
            await r.until("it runs", lambda: r.store.read(lambda c: rows.job(c, 1, 1)).state == "RUNNING")
            (agent,) = cloud.agents.values()
            agent.tell(
                wire.JobEnded("1-1", "run", "LOST", exit_code=0, why="the cloud said that it takes this machine")
            )
            await r.until("it is lost", lambda: r.store.read(lambda c: rows.job(c, 1, 1)).state == "LOST")
            assert r.store.read(lambda c: rows.job(c, 1, 1)).why == "rank 0: the cloud said that it takes this machine"
            assert r.cluster_state() == "UP"

    run(scenario())
