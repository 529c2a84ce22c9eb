"""One round of the measurements that both engines run: `python runtime_workload.py ray|tradewind` prints them as JSON."""

import importlib
import json
import os
import statistics
import sys
import time

import numpy as np

ray = importlib.import_module("ray" if sys.argv[1:] == ["ray"] else "tradewind.runtime")
LARGE = 100_000_000


def rate(count, work):
    """Units per second."""
    begin = time.perf_counter()
    work()
    return count / (time.perf_counter() - begin)


def seconds(work):
    """How long it takes."""
    return 1 / rate(1, work)


def typical(work):
    """The median of five."""
    return statistics.median(seconds(work) for _ in range(5))


@ray.remote
def nothing(*_args):
    pass


@ray.remote
class Actor:
    def nothing(self):
        pass


@ray.remote
class AsyncActor:
    async def nothing(self):
        pass


@ray.remote
def stream(count):
    for number in range(count):  # noqa: UP028  Ray cannot run a bare `yield from`
        yield number


@ray.remote
def large():
    return np.zeros(LARGE // 8)


@ray.remote(num_cpus=0)
def caller(actor, count):
    ray.get([actor.nothing.remote() for _ in range(count)])


@ray.remote
def submitter(count):
    ray.get([nothing.remote() for _ in range(count)])


def chain(count):
    ref = nothing.remote()
    for _ in range(count):
        ref = nothing.remote(ref)
    ray.get(ref)


def wait_for_all(count):
    refs = [nothing.remote() for _ in range(count)]
    while refs:
        _, refs = ray.wait(refs)


def ten_actors():
    ray.get([actor.nothing.remote() for actor in [Actor.options(num_cpus=0).remote() for _ in range(10)]])


def put_large(count):
    """Pages are used again: each ref goes before the next put."""
    array = np.zeros(LARGE // 8)
    for _ in range(count):
        ray.put(array)


def four_callers(count):
    """Each of four tasks calls an actor of its own."""
    actors = [Actor.options(num_cpus=0).remote() for _ in range(4)]
    ray.get([actor.nothing.remote() for actor in actors])
    return rate(4 * count, lambda: ray.get([caller.remote(actor, count) for actor in actors]))


def put_kept(count):
    """New pages each time: every ref is kept."""
    array = np.zeros(LARGE // 8)
    begin = time.perf_counter()
    kept = [ray.put(array) for _ in range(count)]
    return LARGE * len(kept) / 1e9 / (time.perf_counter() - begin)


def own_memory_mib():
    """Private memory of the engine's own processes, idle, this program apart; what they share (the object store) does not count."""
    total = 0
    for pid in descendants(os.getpid()):
        try:
            with open(f"/proc/{pid}/smaps_rollup") as file:
                for line in file:
                    if line.startswith(("Private_Clean:", "Private_Dirty:")):
                        total += int(line.split()[1])
        except OSError:
            continue
    return total / 1024


def descendants(root):
    """Every process below root, and those in the sessions that it started."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as file:
                    parents[int(name)] = int(file.read().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found, grown = {root}, True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        grown = bool(more)
        found |= more
    return found - {root}


def measure():
    """Every figure, warmed up."""
    out = {}
    out["init to ready, s"] = seconds(
        lambda: ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR", object_store_memory=2 << 30)
    )
    time.sleep(2)
    out["memory of an idle cluster, MiB"] = own_memory_mib()
    ray.get([nothing.remote() for _ in range(1000)])
    out["no-op task, one at a time, /s"] = rate(500, lambda: [ray.get(nothing.remote()) for _ in range(500)])
    out["no-op tasks, 10,000 submit + get, /s"] = rate(
        10_000, lambda: ray.get([nothing.remote() for _ in range(10_000)])
    )
    out["no-op tasks, 1,000 in flight, /s"] = statistics.median(
        rate(1_000, lambda: ray.get([nothing.remote() for _ in range(1_000)])) for _ in range(5)
    )
    out["chain of 10,000 tasks, /s"] = rate(10_000, lambda: chain(10_000))
    out["four submitters at once, /s"] = rate(4_000, lambda: ray.get([submitter.remote(1_000) for _ in range(4)]))
    actor, async_actor = Actor.options(num_cpus=0).remote(), AsyncActor.options(num_cpus=0).remote()
    ray.get([actor.nothing.remote(), async_actor.nothing.remote()])
    out["actor call, one at a time, /s"] = rate(500, lambda: [ray.get(actor.nothing.remote()) for _ in range(500)])
    out["actor calls, in flight, /s"] = rate(5_000, lambda: ray.get([actor.nothing.remote() for _ in range(5_000)]))
    out["actor calls, 1,000 in flight, /s"] = statistics.median(
        rate(1_000, lambda: ray.get([actor.nothing.remote() for _ in range(1_000)])) for _ in range(5)
    )
    out["4 callers to 4 actors, /s"] = four_callers(1_000)
    out["async-actor calls, in flight, /s"] = rate(
        3_000, lambda: ray.get([async_actor.nothing.remote() for _ in range(3_000)])
    )
    out["10 actors created and called, s"] = seconds(ten_actors)
    out["put small, /s"] = rate(1_000, lambda: [ray.put(number) for number in range(1_000)])
    small = ray.put(1)
    out["get small, /s"] = rate(2_000, lambda: [ray.get(small) for _ in range(2_000)])
    out["put 100 MB, refs kept, GB/s"] = put_kept(5)
    time.sleep(0.5)
    put_large(2)
    out["put 100 MB, pages used again, GB/s"] = rate(0.1 * 5, lambda: put_large(5))
    array = np.zeros(LARGE // 8)
    out["100 MB argument by value, s"] = typical(lambda: ray.get(nothing.remote(array)))
    ref = ray.put(array)
    ray.get(nothing.remote(ref))
    out["100 MB argument by ref, s"] = typical(lambda: ray.get(nothing.remote(ref)))
    out["100 MB result, s"] = typical(lambda: ray.get(large.remote()))
    out["wait over 1,000 refs, refs/s"] = rate(1_000, lambda: wait_for_all(1_000))
    out["streaming generator, items/s"] = rate(
        1_000, lambda: [ray.get(ref) for ref in stream.options(num_returns="streaming").remote(1_000)]
    )
    out["shutdown, s"] = seconds(ray.shutdown)
    return out


if __name__ == "__main__":
    print("RESULT " + json.dumps(measure()))
