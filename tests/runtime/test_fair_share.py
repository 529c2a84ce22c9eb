from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

import tradewind.runtime as ray
from tests.runtime.conftest import Nodes

GREEDY = """
import sys, time
import tradewind.runtime as ray
ray.init()

@ray.remote
def nap():
    time.sleep(0.01)

refs = [nap.remote() for _ in range(int(sys.argv[1]))]
ray.wait(refs)
print("under way", flush=True)
while True:
    _, refs = ray.wait(refs, num_returns=min(len(refs), 10), timeout=600)
    print(len(refs), flush=True)
    if not refs:
        break
"""


@ray.remote
def nap():
    time.sleep(0.01)


@pytest.mark.parametrize("cpus", [1, 2])
def test_a_driver_with_many_tasks_does_not_keep_another_waiting(make_nodes: Callable[..., Nodes], cpus: int) -> None:
    node = make_nodes(1, cpus=cpus).nodes[0]
    env = {**os.environ, "TRADEWIND_ADDRESS": node.address}
    greedy = subprocess.Popen([sys.executable, "-c", GREEDY, "3000"], stdout=subprocess.PIPE, text=True, env=env)
    try:
        assert greedy.stdout is not None
        assert greedy.stdout.readline().strip() == "under way"
        ray.init()
        ray.get([nap.remote() for _ in range(20)], timeout=60)
        assert greedy.poll() is None, "the other driver has not got through its tasks first"
        ray.get([nap.remote() for _ in range(20)], timeout=60)
    finally:
        greedy.kill()
        greedy.communicate()
