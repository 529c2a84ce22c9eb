"""The runtime's speed on this machine, beside the floor: the least Python that moves the same bytes."""

import argparse
import json
import pathlib
import statistics
import sys
import time

import numpy as np

import tradewind.runtime as ray

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import floor

CPUS = 2


@ray.remote
def nothing():
    pass


@ray.remote
class Counter:
    def nothing(self):
        pass


def per_second(count, work, repeats=5):
    """The median rate of several runs."""
    rates = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        rates.append(count / (time.perf_counter() - begin))
    return statistics.median(rates)


def start_and_stop(repeats=5):
    """Median seconds of init to ready and of shutdown."""
    starts, stops = [], []
    for _ in range(repeats):
        begin = time.perf_counter()
        ray.init(num_cpus=CPUS)
        starts.append(time.perf_counter() - begin)
        ray.get(nothing.remote())
        begin = time.perf_counter()
        ray.shutdown()
        stops.append(time.perf_counter() - begin)
    return statistics.median(starts), statistics.median(stops)


def tasks_and_actors():
    """Rates of calls."""
    ray.get([nothing.remote() for _ in range(1000)])
    actor = Counter.remote()
    ray.get(actor.nothing.remote())

    def chain():
        ref = nothing.remote()
        for _ in range(999):
            ref = passing.remote(ref)
        ray.get(ref)

    return {
        "task, one at a time /s": per_second(2000, lambda: [ray.get(nothing.remote()) for _ in range(2000)]),
        "tasks, 1,000 in flight /s": per_second(1000, lambda: ray.get([nothing.remote() for _ in range(1000)]), 15),
        "tasks, 10,000 submit + get /s": per_second(10_000, lambda: ray.get([nothing.remote() for _ in range(10_000)])),
        "chain of 1,000 tasks /s": per_second(1000, chain),
        "actor call, one at a time /s": per_second(
            2000, lambda: [ray.get(actor.nothing.remote()) for _ in range(2000)]
        ),
        "actor calls, 1,000 in flight /s": per_second(
            1000, lambda: ray.get([actor.nothing.remote() for _ in range(1000)]), 15
        ),
    }


@ray.remote
def passing(value):
    return value


def objects():
    """Rates of put and get."""
    refs = [ray.put(1) for _ in range(10_000)]
    array = np.random.default_rng(0).random(12_500_000)  # 100 MB
    fresh = []
    kept = []
    for _ in range(3):
        begin = time.perf_counter()
        kept.append(ray.put(array))
        fresh.append(0.1 / (time.perf_counter() - begin))
    begin = time.perf_counter()
    ray.get(kept[0])
    read_s = time.perf_counter() - begin
    kept.clear()
    reused = []
    for _ in range(5):
        time.sleep(0.05)  # the freed pages are back before the next put
        begin = time.perf_counter()
        ref = ray.put(array)
        reused.append(0.1 / (time.perf_counter() - begin))
        del ref
    return {
        "put small /s": per_second(10_000, lambda: [ray.put(1) for _ in range(10_000)]),
        "get small /s": per_second(10_000, lambda: [ray.get(ref) for ref in refs]),
        "put 100 MB, new pages GB/s": statistics.median(fresh),
        "put 100 MB, reused pages GB/s": statistics.median(reused),
        "get 100 MB ms": read_s * 1000,
    }


def measure():
    """Every figure, by name."""
    figures = {f"floor: {name}": value for name, value in floor.measure().items()}
    figures["init s"], figures["shutdown s"] = start_and_stop()
    with ray.init(num_cpus=CPUS, object_store_memory=2 << 30):
        figures.update(tasks_and_actors())
        figures.update(objects())
    with ray.init(num_cpus=CPUS):
        time.sleep(0.2)
        begin = time.perf_counter()
        actors = [Counter.remote() for _ in range(10)]
        ray.get([actor.nothing.remote() for actor in actors])
        figures["10 actors created and called s"] = time.perf_counter() - begin
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures = measure()
    if arguments.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:<36}{value:>14,.3f}" if value < 100 else f"{name:<36}{value:>14,.0f}")


if __name__ == "__main__":
    main()
