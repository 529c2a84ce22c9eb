"""The runtime under random SIGKILLs: workers, actors, node daemons and the head die under load, connections break, every result is checked, nothing is left.

`python runtime_soak.py --seconds 600` ends with exit code 0 when every result was right and the arenas, descriptors, processes and files are
back at what they were before the load.
"""

import argparse
import collections
import contextlib
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np

import tradewind.runtime as ray
from tradewind.runtime import exceptions, launcher
from tradewind.runtime.credentials import ClusterCredentials
from tradewind.runtime.util import state

NODES = 3
HOST = "127.9.7."
BLOCK = 60_000  # 480 kB each: in the arena
SETTLE_S = 60.0


@ray.remote(max_retries=-1)
def square(number):
    return number * number


@ray.remote(max_retries=-1)
def block(number):
    return np.full(BLOCK, float(number))


@ray.remote(max_retries=-1)
def total(*blocks):
    return float(sum(one[0] + one[-1] for one in blocks) / 2)


@ray.remote(max_retries=-1)
def nested(number):
    return sum(ray.get([square.remote(number + step) for step in range(4)]))


@ray.remote(max_retries=-1)
def stream(count):
    for number in range(count):  # noqa: UP028  a plain generator is what is tried here
        yield number


@ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)
class Server:
    """Calls that may be made twice and are the same."""

    def __init__(self):
        self.seen = {}

    def put(self, key, value):
        self.seen[key] = value
        return self.seen[key]

    def sum(self, array):
        return float(array[0])


class Cluster:
    """A head and nodes that come back when they are killed."""

    def __init__(self, directory):
        self.directory = directory
        self.credentials = ClusterCredentials.new("soak")
        self.made = 0
        self.head = self._start_head()
        self.nodes = [self._start_node() for _ in range(NODES)]

    def _start_head(self):
        return launcher.start_head(f"{self.directory}/head", f"{HOST}1", credentials=self.credentials, timeout_s=60)

    def _start_node(self):
        self.made += 1
        return launcher.start_node(
            f"{self.directory}/node{self.made}",
            self.head.address,
            f"{HOST}{self.made % 200 + 2}",
            credentials=self.credentials,
            resources={"CPU": 1, "memory": 1 << 30},
            python=sys.executable,
            working_dir=self.directory,
            object_store_bytes=192 << 20,
            timeout_s=60,
        )

    def kill_head(self):
        os.kill(self.head.pid, signal.SIGKILL)
        self.head.stop()
        self.head = self._start_head()

    def kill_node(self, number):
        node = self.nodes[number]
        os.kill(node.pid, signal.SIGKILL)
        node.stop()
        shutil.rmtree(node.directory, ignore_errors=True)
        self.nodes[number] = self._start_node()

    def cut_links(self):
        """Every connection between nodes is reset by the kernel, that to the head excepted; False where we may not or there is none."""
        if os.getuid() != 0 or shutil.which("ss") is None:
            return False
        port = self.head.address.rpartition(":")[2]
        words = ["ss", "-HK", "state", "established", f"( dst {HOST}0/24 and dport != :{port} )"]
        return bool(subprocess.run(words, capture_output=True, check=False).stdout)

    def stop(self):
        for process in [*self.nodes, self.head]:
            process.stop()


class Killer(threading.Thread):
    """Kills something every so often until told to stop."""

    def __init__(self, cluster, rng, every_s):
        super().__init__(name="killer")
        self.cluster = cluster
        self.rng = rng
        self.every_s = every_s
        self.ending = threading.Event()
        self.counts = collections.Counter()
        self.error = None

    def run(self):
        try:
            while not self.ending.wait(self.rng.uniform(0.5, 1.5) * self.every_s):
                # The driver's own node is spared: its end is the driver's end.
                what = self.rng.choices(["worker", "actor", "links", "node", "head"], [8, 4, 4, 2, 1])[0]
                if what == "head":
                    self.cluster.kill_head()
                elif what == "node":
                    self.cluster.kill_node(self.rng.randrange(1, NODES))
                elif what == "links":
                    if not self.cluster.cut_links():
                        continue
                elif not self.kill_process(what):
                    continue
                self.counts[what] += 1
        except BaseException as error:  # told by the main thread
            self.error = error

    def kill_process(self, what):
        try:
            rows = state.rows("workers")
        except exceptions.RayError:
            return False
        pids = [row.pid for row in rows if row.pid and (row.state == "ACTOR") == (what == "actor")]
        if not pids:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.rng.choice(pids), signal.SIGKILL)
        return True


def one_round(servers, rng):
    """Submits a bundle of work; returns (what, ref, expected) for each result."""
    base = rng.randrange(1000)
    out = [("square", square.remote(number), number * number) for number in range(base, base + 100)]
    blocks = [block.remote(number) for number in range(base, base + 12)]
    out += [
        ("total", total.remote(*blocks[at : at + 4]), float(sum(range(base + at, base + at + 4)))) for at in (0, 4, 8)
    ]
    out += [("nested", nested.remote(base), sum((base + step) ** 2 for step in range(4))) for _ in range(4)]
    ref = square.remote(1)
    for _ in range(20):
        ref = square.remote(ref)
    out.append(("chain", ref, 1))
    for number, server in enumerate(servers):
        out += [("actor", server.put.remote(step, step + number), step + number) for step in range(20)]
        out.append(("actor with block", server.sum.remote(blocks[number]), float(base + number)))
    kept = ray.put(np.full(BLOCK, float(base)))
    out.append(("put", total.remote(kept), float(base)))
    return out


def check(results, deadline_s):
    """Every result is what it should be. Raises AssertionError, or what a call raised."""
    for what, ref, expected in results:
        try:
            value = ray.get(ref, timeout=deadline_s)
        except exceptions.GetTimeoutError:
            for row in [*state.rows("tasks"), *state.rows("actors"), *state.rows("nodes"), *state.rows("workers")]:
                print(row.kind, row.id, row.name, row.state, row.why, row.more, file=sys.stderr)
            raise AssertionError(f"{what} had no result within {deadline_s:g} s") from None
        assert value == expected, f"{what}: {value} instead of {expected}"
    return len(results)


def check_stream():
    """A generator gives every item once, in order, whatever dies under it."""
    items = [ray.get(ref, timeout=120) for ref in stream.remote(30)]
    assert items == list(range(30)), f"the stream gave {items}"
    return len(items)


def descriptors(pid):
    """How many a process has open."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def standing(cluster):
    """What must be as before when the load is over."""
    rows = {row.id: row.more for row in state.rows("memory")}
    pids = [cluster.head.pid, *(node.pid for node in cluster.nodes)]
    workers = [row for row in state.rows("workers") if row.state != "IDLE"]
    files = [str(path) for path in pathlib.Path(cluster.directory).rglob("*") if path.is_file()]
    return {
        "nodes": len(ray.nodes()),
        "arena objects": sum(int(more["objects"]) for more in rows.values()),
        "spilled objects": sum(int(more["spilled_objects"]) for more in rows.values()),
        "busy workers": len(workers),
        "descriptors": sum(descriptors(pid) for pid in pids),
        "own descriptors": descriptors(os.getpid()),
        "files": len([name for name in files if not name.endswith((".log", "-wal", "-shm"))]),
    }


def settled(cluster, before):
    """What is still more than before, once time has been given; {} when nothing is. A few descriptors to idle workers may differ."""
    slack = {"descriptors": 40 * NODES, "own descriptors": 40}
    deadline = time.monotonic() + SETTLE_S
    while True:
        now = standing(cluster)
        more = {
            name: (before[name], value)
            for name, value in now.items()
            if value > before[name] + slack.get(name, 0) or (name == "nodes" and value != before[name])
        }
        if not more or time.monotonic() > deadline:
            return more
        time.sleep(0.25)


def soak(seconds, seed, every_s, say):
    """Load and kills for so long. Returns what was done; raises AssertionError when something is wrong."""
    directory = tempfile.mkdtemp(prefix="tradewind-soak-")
    rng = random.Random(seed)
    cluster = Cluster(directory)
    killer = None
    try:
        ray.init(address=cluster.nodes[0].address)
        before = standing(cluster)
        servers = [Server.options(scheduling_strategy="SPREAD").remote() for _ in range(3)]
        checked = check(one_round(servers, rng), 60) + check_stream()
        killer = Killer(cluster, rng, every_s)
        killer.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            checked += check(one_round(servers, rng), 60) + check_stream()
            say(f"{checked:,} results right; killed {dict(killer.counts)}")
            assert killer.error is None, f"the killer failed: {killer.error}"
        killer.ending.set()
        killer.join()
        assert killer.error is None, f"the killer failed: {killer.error}"
        checked += check(one_round(servers, rng), 180)
        del servers
        more = settled(cluster, before)
        assert not more, f"more than before (before, now): {more}"
        return checked, dict(killer.counts)
    finally:
        if killer is not None:
            killer.ending.set()
            if killer.is_alive():
                killer.join()
        ray.shutdown()
        cluster.stop()
        left = [process.pid for process in [*cluster.nodes, cluster.head] if process.poll() is None]
        shutil.rmtree(directory, ignore_errors=True)
        assert not left, f"processes are left: {left}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--every", type=float, default=1.0, help="seconds between two kills, on average")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 30) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    last = 0.0

    def say(text):
        nonlocal last
        if time.monotonic() - last > 5:
            last = time.monotonic()
            print(text, flush=True)

    checked, kills = soak(options.seconds, seed, options.every, say)
    print(f"{checked:,} results, all right; killed {kills}; nothing is left behind.")


if __name__ == "__main__":
    main()
