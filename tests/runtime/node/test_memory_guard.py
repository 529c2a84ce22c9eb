from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tradewind.runtime as ray
from tests.runtime.conftest import environment
from tradewind.runtime import exceptions
from tradewind.runtime.node.memory_guard import Tenant, excess, own_bytes, victim
from tradewind.runtime.node.resources import Allocation, to_units


def test_only_those_with_a_limit_can_exceed_it() -> None:
    limited = Allocation(to_units({"memory": 1000}))
    assert excess(1000, limited) == ""
    assert "1,001" in excess(1001, limited)
    assert "memory=1,000" in excess(1001, limited)
    assert excess(1 << 40, Allocation({})) == ""
    assert excess(1 << 40, None) == ""
    assert own_bytes(os.getpid()) > 1 << 20
    assert own_bytes(2**22 + 1) == 0


@pytest.mark.usefixtures("cluster")
def test_a_task_and_an_actor_that_take_more_than_they_asked_for_are_ended() -> None:
    @ray.remote(memory=200 << 20, max_retries=0)
    def take(size):
        held = bytearray(size)
        for at in range(0, size, 4096):
            held[at] = 1
        time.sleep(1.5 if size > 100 << 20 else 0.4)
        return len(held)

    assert ray.get(take.remote(20 << 20), timeout=30) == 20 << 20
    with pytest.raises(exceptions.OutOfMemoryError, match="memory=209,715,200"):
        ray.get(take.remote(400 << 20), timeout=30)

    @ray.remote(memory=200 << 20)
    class Taker:
        def take(self, size):
            self.held = bytes(1) * size
            time.sleep(2)

    with pytest.raises(exceptions.ActorDiedError, match="out of memory"):
        ray.get(Taker.remote().take.remote(400 << 20), timeout=30)


def test_the_largest_task_goes_before_any_actor() -> None:
    task, larger, actor = Tenant(1, 10, actor=False), Tenant(2, 20, actor=False), Tenant(3, 99, actor=True)
    assert victim([task, actor, larger]) is larger
    assert victim([actor]) is actor
    assert victim([]) is None


GREEDY = """
import os, sys, time
import tradewind.runtime as ray
ray.init(num_cpus=2, object_store_memory=64 << 20)
retries = int(sys.argv[1])

@ray.remote(max_retries=retries)
def greedy(path):
    tries = len(os.listdir(path))
    open(os.path.join(path, str(tries)), "w").close()
    if tries < 3 or not retries:
        held = bytes(1) * (300 << 20)
        time.sleep(60)
    return "fine"

@ray.remote
def modest():
    time.sleep(1.5)
    return "fine"

other = modest.remote()
try:
    print(ray.get(greedy.remote(sys.argv[2]), timeout=60))
except ray.exceptions.OutOfMemoryError as error:
    print(error)
print(ray.get(other, timeout=60))
ray.shutdown()
"""


@pytest.mark.skipif(
    not os.access("/sys/fs/cgroup/memory", os.W_OK) or os.getuid() != 0, reason="needs rights over control groups"
)
@pytest.mark.parametrize("retries", [0, 1])
def test_a_node_that_runs_out_ends_its_largest_task_and_says_which(tmp_path: Path, retries: int) -> None:
    from tradewind.runtime.node.control_groups import own_hierarchy

    found = own_hierarchy()
    assert found is not None
    group = found.path(f"test-{os.getpid()}")
    os.mkdir(group)
    try:
        with open(f"{group}/{found.limit_file}", "w") as file:
            file.write(str(640 << 20))
        tries = tmp_path / "tries"
        tries.mkdir()
        command = f'echo $$ > {group}/cgroup.procs; exec "$0" "$@"'
        done = subprocess.run(
            ["sh", "-c", command, sys.executable, "-c", GREEDY, str(retries), str(tries)],
            capture_output=True, text=True, timeout=150, env={**environment(), "TRADEWIND_MEMORY_USAGE_THRESHOLD": "0.5"}, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        *first, last = done.stdout.strip().splitlines()
        assert last == "fine", "the modest task is left alone"
        if retries:
            assert first == ["fine"]
            assert "greedy() is tried again: node out of memory" in done.stderr
            assert len(list(tries.iterdir())) == 4, "three ends for the node's sake cost none of its retries"
        else:
            assert re.search(
                r"The worker that ran greedy\(\) \(pid \d+.*node out of memory: [\d,]+ of 671,088,640 bytes", first[0]
            )
    finally:
        deadline = time.monotonic() + 10
        while os.path.isdir(group) and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                os.rmdir(group)
            time.sleep(0.01)
    assert not os.path.isdir(group)
