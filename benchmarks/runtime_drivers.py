"""Many drivers on one cluster: 100,000 no-op tasks queued at once by 1, 10 and 100 drivers of a node of two CPUs.

Prints, for each number of drivers: tasks a second from the first submission to the last result, beside the best of them, and bytes that a
queued task costs its driver. Then how soon a node is acted on that lost power (its processes stopped for good, which looks the same from outside).
"""

import argparse
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time

import tradewind.runtime as ray
from tradewind.runtime import launcher
from tradewind.runtime.credentials import ClusterCredentials


@ray.remote
def nothing():
    pass


def rss():
    """Bytes of memory that this process holds."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def drive(address, count, pipe):
    """One driver: ready, then on a word so many tasks; says when the last result was there and what a queued task took."""
    ray.init(address=address, log_to_driver=False)
    ray.get([nothing.remote() for _ in range(10)])
    pipe.send("ready")
    pipe.recv()
    before = rss()
    refs = [nothing.remote() for _ in range(count)]
    held = (rss() - before) / count
    ray.get(refs)
    pipe.send((time.monotonic(), held))
    pipe.recv()
    ray.shutdown()


def race(address, drivers, tasks):
    """(tasks a second over all drivers, seconds between the first and the last of them to be done, bytes a queued task)."""
    each = tasks // drivers
    forking = multiprocessing.get_context("fork")  # nothing of the runtime has been started in this process
    pipes, started = [], []
    for _ in range(drivers):
        here, there = forking.Pipe()
        driver = forking.Process(target=drive, args=(address, each, there))
        driver.start()
        there.close()
        pipes.append(here)
        started.append(driver)
    assert all(pipe.recv() == "ready" for pipe in pipes)
    begin = time.monotonic()
    for pipe in pipes:
        pipe.send("go")
    said = [pipe.recv() for pipe in pipes]
    for pipe in pipes:
        pipe.send("end")
    for driver in started:
        driver.join(60)
    ends = [end for end, _ in said]
    return each * drivers / (max(ends) - begin), max(ends) - min(ends), max(held for _, held in said)


def start(directory, credentials, head, host, cpus):
    """A node of the cluster."""
    return launcher.start_node(
        f"{directory}/{host}", head, host, credentials=credentials, resources={"CPU": cpus, "memory": 1 << 30},
        python=sys.executable, working_dir=directory, object_store_bytes=256 << 20, timeout_s=60,
    )  # fmt: skip


def power_loss(address, node):
    """Seconds until the cluster has acted on the silence of the node."""
    with ray.init(address=address):
        assert len(ray.nodes()) == 2
        os.kill(node.pid, signal.SIGSTOP)
        begin = time.monotonic()
        while len(ray.nodes()) == 2:
            time.sleep(0.01)
        took = time.monotonic() - begin
        os.kill(node.pid, signal.SIGKILL)
    return took


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--drivers", type=int, nargs="*", default=[1, 10, 100])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    credentials = ClusterCredentials.new("bench")
    with tempfile.TemporaryDirectory() as directory:
        head = launcher.start_head(f"{directory}/head", "127.9.5.1", credentials=credentials, timeout_s=60)
        nodes = []
        try:
            nodes.append(start(directory, credentials, head.address, "127.9.5.2", 2))
            rows = []
            for drivers in options.drivers:
                runs = sorted(race(nodes[0].address, drivers, options.tasks) for _ in range(options.repeats))
                rows.append((drivers, *runs[len(runs) // 2]))
                print(f"{drivers} drivers measured", file=sys.stderr, flush=True)
            best = max(row[1] for row in rows)
            print(
                f"{'drivers':>8} {'tasks/s':>10} {'of the best':>12} {'first to last done, s':>22} {'bytes a queued task':>20}"
            )
            for drivers, rate, apart, held in rows:
                print(f"{drivers:8,} {rate:10,.0f} {rate / best:12.0%} {apart:22.2f} {held:20,.0f}")
            nodes.append(start(directory, credentials, head.address, "127.9.5.3", 1))
            print(f"a node that lost power was acted on after {power_loss(nodes[0].address, nodes[1]):.2f} s")
        finally:
            for process in [*nodes, head]:
                process.stop()


if __name__ == "__main__":
    main()
