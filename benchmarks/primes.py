"""The primes example beside bare forked processes: how much of the machine's speed the runtime leaves to the work (goal: 0.97)."""

import argparse
import importlib.util
import json
import os
import pathlib
import statistics
import time

from tradewind import runtime

GOAL = 0.97


def load_example():
    """The example's module; it is a script and no package."""
    path = pathlib.Path(__file__).resolve().parent.parent / "examples" / "primes" / "primes.py"
    spec = importlib.util.spec_from_file_location("primes_example", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def bare(work, limit: int, times: int, processes: int) -> float:
    """Seconds for the calls dealt out to forked processes as each gets free, results through pipes."""
    begin = time.perf_counter()
    running = {}
    left = times
    results = []
    while left or running:
        while left and len(running) < processes:
            read, write = os.pipe()
            pid = os.fork()
            if pid == 0:
                os.write(write, str(work(limit)).encode())
                os._exit(0)
            os.close(write)
            running[pid] = read
            left -= 1
        pid, _ = os.wait()
        with os.fdopen(running.pop(pid), "rb") as pipe:
            results.append(int(pipe.read()))
    assert len(set(results)) == 1
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    example = load_example()
    cpus = os.cpu_count() or 1
    forked, distributed = [], []
    for _ in range(arguments.rounds):
        # Alternating, so that both see the same neighbours on the machine; the bare processes are forked while no other thread runs.
        forked.append(bare(example.sum_of_primes, arguments.limit, example.TIMES, cpus))
        with runtime.init(num_cpus=cpus):
            function = runtime.remote(example.sum_of_primes)
            runtime.get([function.remote(1000) for _ in range(cpus)])
            begin = time.perf_counter()
            runtime.get([function.remote(arguments.limit) for _ in range(example.TIMES)])
            distributed.append(time.perf_counter() - begin)
    figures = {
        "bare processes s": statistics.median(forked),
        "runtime s": statistics.median(distributed),
        "speed beside bare processes": statistics.median(forked) / statistics.median(distributed),
        "goal": GOAL,
    }
    if arguments.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:<30}{value:>10.3f}")


if __name__ == "__main__":
    main()
