from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

import tradewind.runtime as ray
from tests.runtime.conftest import eventually
from tradewind.runtime.util import state
from tradewind.runtime.util.placement_group import placement_group

pytestmark = pytest.mark.usefixtures("cluster")


@ray.remote
def sleep(seconds):
    time.sleep(seconds)
    return os.getpid()


@ray.remote
def after(value):
    return value


def test_every_waiting_thing_says_what_it_waits_for() -> None:
    running = [sleep.remote(5), sleep.remote(5)]
    queued = sleep.options(name="third").remote(0)
    dependent = after.remote(running[0])

    def states() -> dict[str, str]:
        return {row.id: row.state for row in state.list_tasks()}

    assert eventually(lambda: states().get(running[1].hex()) == "RUNNING")
    found = {row.id: row for row in state.list_tasks()}
    assert found[queued.hex()].state == "QUEUED"
    assert found[queued.hex()].name == "third"
    assert "worker" in found[queued.hex()].why
    assert found[dependent.hex()].state == "WAITING"
    assert running[0].hex() in found[dependent.hex()].why
    group = placement_group([{"CPU": 2}])
    (row,) = state.list_placement_groups()
    assert (row.id, row.state) == (group.id, "PENDING")
    assert "2 CPU" in row.why
    leased = [row for row in state.list_workers() if row.state == "LEASED"]
    assert len(leased) == 2

    def asleep() -> bool:
        stacks = {row.process: row for row in state.rows("stacks")}
        return all("time.sleep" in stacks[row.id].more["stack"] and stacks[row.id].name == "sleep" for row in leased)

    assert eventually(asleep)
    for ref in running:
        ray.cancel(ref, force=True)


def test_actors_and_their_calls() -> None:
    @ray.remote
    class Sleeper:
        def sleep(self):
            time.sleep(1_000)

        def pid(self):
            return os.getpid()

    sleeper = Sleeper.options(name="morpheus").remote()
    pid = ray.get(sleeper.pid.remote(), timeout=20)
    first, second = sleeper.sleep.remote(), sleeper.sleep.remote()
    (row,) = state.list_actors()
    assert (row.state, row.name, row.more["name"], row.pid) == ("ALIVE", "Sleeper", "morpheus", pid)
    calls = {row.id: row for row in state.list_tasks()}
    assert calls[first.hex()].state == "RUNNING"
    assert calls[second.hex()].state == "SENT"
    assert "behind 1 other call of this process" in calls[second.hex()].why


def test_objects_and_memory() -> None:
    large = ray.put(np.zeros(1 << 20))
    small = ray.put(1)
    rows = {row.id: row for row in state.list_objects()}
    assert rows[large.hex()].state == "STORED"
    assert rows[small.hex()].state == "INLINE"
    (memory,) = state.rows("memory")
    assert int(memory.more["used_bytes"]) >= 8 << 20
    with pytest.raises(ValueError, match="nodes"):
        state.rows("colours")


def test_a_stopped_process_does_not_hold_a_report_up() -> None:
    pid = ray.get(sleep.remote(0), timeout=20)
    held = sleep.remote(30)
    assert eventually(lambda: any(row.state == "RUNNING" for row in state.list_tasks()))
    busy = [row.pid for row in state.list_workers() if row.state == "LEASED"]
    os.kill(busy[0], signal.SIGSTOP)
    assert eventually(lambda: Path(f"/proc/{busy[0]}/stat").read_text().rpartition(")")[2].split()[0] == "T")
    rows = state.rows("stacks")
    assert [row.state for row in rows if row.pid == busy[0]] == ["SILENT"]
    os.kill(busy[0], signal.SIGKILL)
    assert pid
    ray.cancel(held, force=True)
