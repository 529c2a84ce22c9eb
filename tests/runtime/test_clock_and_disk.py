"""What a machine may do to a program that runs on it: a wall clock that jumps, a disk that takes its time."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runtime.conftest import environment

pytestmark = pytest.mark.skipif(
    shutil.which("cc") is None or not sys.platform.startswith("linux"), reason="needs a C compiler"
)


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A library to be preloaded that plays the machine."""
    path = tmp_path_factory.mktemp("shim") / "shim.so"
    source = Path(__file__).with_name("libc_shim.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(path), str(source), "-ldl"], check=True, timeout=60)
    return str(path)


def run(script: str, *arguments: str, **more: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True, text=True, timeout=120, check=False, env={**environment(), **more},
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


CLOCK = """
import struct, sys, time
import numpy as np
import tradewind.runtime as ray
from tests.runtime.conftest import build
from tradewind.runtime.scheduling import NodeAffinitySchedulingStrategy

YEAR_S = 365 * 24 * 3600
directory, clock = sys.argv[1:]

def jump(years):
    with open(clock, "r+b") as file:
        file.write(struct.pack("<q", round(years * YEAR_S)))

@ray.remote
def here(value):
    return time.gmtime().tm_year, float(value[0])

@ray.remote(num_cpus=0)
class Counter:
    def __init__(self):
        self.count = 0

    def add(self):
        self.count += 1
        return self.count

def on(number):
    ids = {node["Labels"]["number"]: node["NodeID"] for node in ray.nodes()}
    return NodeAffinitySchedulingStrategy(ids[str(number)])

cluster = build(directory, 2)
try:
    ray.init(address=cluster.nodes[0].address)
    counter = Counter.options(scheduling_strategy=on(1)).remote()
    block = ray.put(np.full(200_000, 7.0))
    years = set()
    waiting = [here.options(scheduling_strategy=on(1)).remote(block)]
    for count, at in enumerate((0, 20, -50, 3), 1):
        jump(at)
        assert ray.get(counter.add.remote(), timeout=60) == count, "one life"
        waiting += [here.options(scheduling_strategy=on(number)).remote(block) for number in (0, 1)]
        begin = time.monotonic()
        try:
            ray.get(ray.remote(time.sleep).remote(0.6), timeout=0.2)
            raise SystemExit("get() did not time out")
        except ray.exceptions.GetTimeoutError:
            pass
        found = ray.get(waiting, timeout=60)
        assert all(value == 7.0 for _, value in found), found
        years.update(year for year, _ in found)
        waiting = []
    # Whoever joins now shakes hands anew with everybody.
    jump(20)
    cluster.add(CPU=1)
    jump(-50)
    cluster.add(CPU=1)
    assert len(ray.nodes()) == 4
    for number in (2, 3):
        assert ray.get(here.options(scheduling_strategy=on(number)).remote(block), timeout=60)[1] == 7.0
    assert ray.get(counter.add.remote(), timeout=60) == 5
    print(max(years) - min(years), "years", flush=True)
    ray.shutdown()
finally:
    cluster.stop()
"""


def test_a_clock_that_jumps_back_and_forth_by_decades_disturbs_nobody(shim: str, tmp_path: Path) -> None:
    clock = tmp_path / "clock"
    clock.write_bytes(struct.pack("<q", 0))
    repository = str(Path(__file__).parents[2])
    out = run(CLOCK, str(tmp_path), str(clock), LD_PRELOAD=shim, SHIM_CLOCK=str(clock), PYTHONPATH=repository)
    years = int(out.split()[0])
    assert years >= 65, "the workers saw the clock jump"


SLOW_DISK = """
import sys, threading
import numpy as np
import tradewind.runtime as ray

ray.init(num_cpus=2, object_store_memory=64 << 20)
large = [ray.put(np.full(2_000_000, float(number))) for number in range(4)]  # 16 MB each: the arena is full
order = []

def fill():
    large.append(ray.put(np.full(2_000_000, 4.0)))  # one of the others has to go to disk first, and the disk hangs
    order.append("stored")

@ray.remote
class Actor:
    def small(self):
        return b"x" * 10

thread = threading.Thread(target=fill)
thread.start()
for _ in range(3):
    # What only the node daemon can answer: a new worker, leases, lists.
    assert len(ray.get(Actor.remote().small.remote(), timeout=60)) == 10
    assert ray.get(ray.remote(abs).options(num_cpus=0.5).remote(-1), timeout=60) == 1
    assert len(ray.nodes()) == 1
order.append("answered")
open(sys.argv[1], "w").close()  # the disk works again
thread.join(60)
print(order, [float(ray.get(ref, timeout=60)[-1]) for ref in large])
ray.shutdown()
"""


def test_a_put_that_waits_for_a_hanging_disk_holds_nobody_else_up(shim: str, tmp_path: Path) -> None:
    disk = str(tmp_path / "works")
    assert run(SLOW_DISK, disk, LD_PRELOAD=shim, SHIM_DISK=disk).strip() == (
        "['answered', 'stored'] [0.0, 1.0, 2.0, 3.0, 4.0]"
    )
