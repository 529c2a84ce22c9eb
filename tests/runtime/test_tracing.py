from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

import tradewind.runtime as ray
from tests.runtime.conftest import Nodes
from tradewind.runtime.tracing import lanes


@given(st.lists(st.tuples(st.just("f"), st.integers(0, 50), st.integers(1, 20)), max_size=30))
def test_lanes_lose_nothing_overlap_nowhere_and_are_as_few_as_can_be(events: list[tuple[str, int, int]]) -> None:
    rows = lanes(events)
    assert sorted(event for row in rows for event in row) == sorted(events)
    for row in rows:
        for before, after in zip(row, row[1:], strict=False):
            assert before[1] + before[2] <= after[1]
    busiest = max((sum(b <= at < b + d for _, b, d in events) for _, at, _ in events), default=0)
    assert len(rows) == busiest


def test_a_timeline_shows_tasks_and_actors_where_and_when_they_ran(two_nodes: Nodes, tmp_path: Path) -> None:
    ray.init()

    @ray.remote
    def nap(seconds):
        time.sleep(seconds)
        return os.getpid()

    @ray.remote(num_cpus=0, max_concurrency=2)
    class Server:
        def nap(self, seconds):
            time.sleep(seconds)

    before = time.time()
    pids = set(ray.get([nap.options(scheduling_strategy="SPREAD").remote(0.2) for _ in range(4)], timeout=30))
    server = Server.remote()
    ray.get([server.nap.remote(0.3), server.nap.remote(0.3)], timeout=30)
    events = ray.timeline()
    assert events is not None
    ran = [event for event in events if event["ph"] == "X" and event["ts"] >= (before - 1) * 1e6]
    tasks = [event for event in ran if event["cat"] == "task" and event["name"].endswith("nap")]
    assert len(tasks) == 4
    assert all(0.2e6 <= event["dur"] < 30e6 and event["ts"] / 1e6 >= before - 0.1 for event in tasks)
    assert {event["tid"] // 1000 for event in tasks} == pids
    assert len({event["pid"] for event in tasks}) == 2, "a row of threads for each node"
    calls = [event for event in ran if event["cat"] == "actor" and event["name"] == "nap"]
    assert len({event["tid"] for event in calls}) == 2, "calls beside each other have rows of their own"
    names = {event["args"]["name"] for event in events if event["name"] == "thread_name"}
    assert any(name.startswith("Server pid=") for name in names)

    assert ray.timeline(str(tmp_path / "by-call.json")) is None
    assert json.loads((tmp_path / "by-call.json").read_text())
    done = subprocess.run(
        [sys.executable, "-m", "tradewind.cli", "runtime", "timeline", "out.json", "--address", two_nodes.nodes[0].address],
        capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "calls are in out.json" in done.stdout
    assert {event["ph"] for event in json.loads((tmp_path / "out.json").read_text())} == {"X", "M"}


def test_what_a_worker_ran_outlives_it() -> None:
    with ray.init(num_cpus=1):

        @ray.remote(max_calls=1)
        def once():
            return os.getpid()

        pid = ray.get(once.remote(), timeout=20)
        ray.get(once.remote(), timeout=20)
        assert pid in {event["tid"] // 1000 for event in ray.timeline() or [] if event["ph"] == "X"}
