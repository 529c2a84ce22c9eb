from __future__ import annotations

import ast
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import tradewind.runtime as ray
from tests.runtime.conftest import Nodes, alive, environment, eventually
from tradewind.runtime import exceptions
from tradewind.runtime.util import state

ROOM = Path(ray.__file__).parent


def test_a_result_larger_than_the_arena_is_a_named_error() -> None:
    with ray.init(num_cpus=1, object_store_memory=64 << 20):

        @ray.remote
        def large():
            return np.zeros(80 << 20, dtype=np.uint8)

        with pytest.raises(exceptions.ObjectStoreFullError, match="cannot hold 83,"):
            ray.get(large.remote(), timeout=30)


FULL_DISK = """
import numpy as np
import tradewind.runtime as ray
ray.init(num_cpus=1, object_store_memory=64 << 20)
kept = []
try:
    for number in range(8):
        kept.append(ray.put(np.full(2_000_000, float(number))))
except ray.exceptions.ObjectStoreFullError as error:
    print(len(kept), error)
kept = kept[:2]
print([float(ray.get(ref)[0]) for ref in kept])
"""


@pytest.mark.skipif(os.getuid() != 0 or shutil.which("unshare") is None, reason="needs rights over mounts")
@pytest.mark.parametrize("where", ["TMPDIR", "/dev/shm"])
def test_a_full_disk_while_spilling_is_named_and_a_small_dev_shm_does_not_matter(tmp_path: Path, where: str) -> None:
    place = str(tmp_path) if where == "TMPDIR" else where
    command = f'mount -t tmpfs -o size=20m tmpfs {place} && exec "$0" "$@"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", command, sys.executable, "-c", FULL_DISK],
        capture_output=True, text=True, timeout=90, check=False, env={**environment(), **({"TMPDIR": place} if where == "TMPDIR" else {})},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *said, last = done.stdout.strip().splitlines()
    assert last == "[0.0, 1.0]"
    if where == "TMPDIR":
        assert "nothing can be spilled" in said[0]
        assert "No space left on device" in said[0]
        assert place in said[0]
    else:
        assert said == [], "the arena is no file there"


def test_a_killed_driver_leaves_nothing_on_any_node_of_a_standing_cluster(two_nodes: Nodes, tmp_path: Path) -> None:
    script = """
import os, sys, time
import numpy as np
import tradewind.runtime as ray
ray.init()

@ray.remote(num_cpus=0)
class Actor:
    def pid(self):
        self.kept = ray.put(np.ones(100_000))
        return os.getpid()

@ray.remote(num_cpus=0.5, scheduling_strategy="SPREAD")
def busy(path):
    open(os.path.join(path, str(os.getpid())), "w").close()
    time.sleep(1000)

actors = [Actor.options(scheduling_strategy="SPREAD").remote() for _ in range(2)]
kept = [ray.put(np.ones(100_000)) for _ in range(5)]
pids = ray.get([actor.pid.remote() for actor in actors])
refs = [busy.remote(sys.argv[1]) for _ in range(2)]
while len(os.listdir(sys.argv[1])) < 2:
    time.sleep(0.01)
print(*pids, *os.listdir(sys.argv[1]), flush=True)
time.sleep(1000)
"""
    driver = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert driver.stdout is not None
    pids = [int(pid) for pid in driver.stdout.readline().split()]
    driver.stdout.close()
    assert len(pids) == 4
    ray.init()

    def left() -> list[object]:
        objects = [row.more["objects"] for row in state.rows("memory") if row.more["objects"] != "0"]
        return [*(pid for pid in pids if alive(pid)), *objects]

    assert len(left()) > 4
    driver.send_signal(signal.SIGKILL)
    driver.wait(20)
    assert eventually(lambda: not left(), 2.0), f"gone within two seconds, but: {left()}"
    assert eventually(lambda: ray.available_resources()["CPU"] == ray.cluster_resources()["CPU"])
    del two_nodes


def stat_of(pid: int) -> list[str]:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()


@pytest.mark.parametrize("who", ["template", "node daemon", "driver"])
def test_a_process_that_was_stopped_for_a_while_goes_on(who: str) -> None:
    script = """
import os, sys, time
import tradewind.runtime as ray
ray.init(num_cpus=2)

@ray.remote
def parent():
    return os.getppid()

@ray.remote
class Actor:
    def add(self, number):
        return number + 1

template = ray.get(parent.remote())
actor = Actor.remote()
ray.get(actor.add.remote(0))
print(template, flush=True)
total = 0
for number in range(1, 400):
    total += ray.get(actor.add.remote(number)) - ray.get(ray.remote(abs).remote(-number))
    time.sleep(0.002)
new = [Actor.remote() for _ in range(3)]
print(total, ray.get([one.add.remote(1) for one in new]), flush=True)
"""
    driver = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment())
    assert driver.stdout is not None
    template = int(driver.stdout.readline())
    pid = {"template": template, "node daemon": int(stat_of(template)[1]), "driver": driver.pid}[who]
    os.kill(pid, signal.SIGSTOP)
    time.sleep(1.0)
    os.kill(pid, signal.SIGCONT)
    out, _ = driver.communicate(timeout=90)
    assert out.strip() == "399 [2, 2, 2]"
    assert driver.returncode == 0


def test_a_stopped_head_holds_up_nobody_who_does_not_ask_it(two_nodes: Nodes) -> None:
    ray.init()
    work = ray.remote(abs)
    assert ray.get(work.remote(-1), timeout=30) == 1
    os.kill(two_nodes.head.pid, signal.SIGSTOP)
    try:
        assert ray.get([work.remote(-number) for number in range(100)], timeout=30) == list(range(100))
    finally:
        os.kill(two_nodes.head.pid, signal.SIGCONT)
    assert eventually(lambda: len(ray.nodes()) == 2, 20)
    assert ray.get(work.remote(-2), timeout=30) == 2


def test_the_wall_clock_decides_nothing() -> None:
    """A clock that jumps can hurt only what reads it: time.time() stands nowhere but in timelines."""
    readers = set()
    for path in ROOM.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                clock = (node.value.id, node.attr) in {("time", "time"), ("time", "time_ns"), ("datetime", "now")}
                if clock or (node.attr in {"utcnow", "CLOCK_REALTIME"}):
                    readers.add(path.name)
    assert readers <= {"describing.py"}


NOTEBOOK = """
import ast, asyncio, sys

cells = [
    "import tradewind.runtime as ray",
    "ray.init(num_cpus=2, ignore_reinit_error=True)",
    "ray.init(num_cpus=2, ignore_reinit_error=True)",
    "FACTOR = 2",
    "@ray.remote\\ndef scale(x):\\n    return FACTOR * x",
    "print(ray.get(scale.remote(21)))",
    "FACTOR = 3\\n@ray.remote\\ndef scale(x):\\n    return FACTOR * x",
    "print(ray.get(scale.remote(21)))",
    "print(await scale.remote(1))",
    "@ray.remote\\nclass Kept:\\n    def __init__(self):\\n        self.n = 0\\n    async def add(self):\\n        self.n += 1\\n        return self.n",
    "kept = Kept.remote()",
    "print(await kept.add.remote(), ray.get(kept.add.remote()))",
    "1 / 0",
    "print(ray.get(scale.remote(2)))",
]

async def kernel():
    # As a notebook's kernel does: each cell compiled for itself, in one namespace, inside a running event loop.
    for cell in cells:
        code = compile(cell, "<cell>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        try:
            result = eval(code, globals())
            if asyncio.iscoroutine(result):
                await result
        except ZeroDivisionError:
            print("error shown")

asyncio.run(kernel())
sys.stdout.flush()
import os
os.kill(os.getpid(), 9)  # a kernel that is restarted runs no exit hooks
"""


def test_a_notebook_defines_redefines_awaits_fails_and_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "kernel.py"
    path.write_text(NOTEBOOK)
    done = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, timeout=90, env=environment(), check=False
    )
    assert done.stdout.split("\n")[:6] == ["42", "63", "3", "1 2", "error shown", "6"], done.stderr
    assert done.returncode == -signal.SIGKILL
