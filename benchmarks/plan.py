"""The optimizer over the whole catalog: one task warm and in a fresh process, chains, DAGs, and crowds of jobs under quotas."""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import msgspec

from tradewind.broker.planner import plan_task, plan_tasks, problem_of, recall
from tradewind.catalog import Catalog, open_catalog
from tradewind.optimizer import Limits, Place, Plan, Problem, Quota, Request, optimize, pareto
from tradewind.optimizer.problem import Edge
from tradewind.spec.task import AcceleratorRequest, Quantity, Resources, Task

ROOT = pathlib.Path(__file__).resolve().parent.parent
FRESH = """
import resource
from tradewind.broker.planner import plan_task
from tradewind.catalog import open_catalog
from tradewind.spec.task import Resources, Task
with open_catalog() as catalog:
    assert plan_task(Task(resources=(Resources(use_spot=True),)), catalog).feasible
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def at_least(value: float) -> Quantity:
    return Quantity(value, at_least=True)


def gpu(name: str, count: float, **more) -> Resources:
    return Resources(accelerators=(AcceleratorRequest(name, count),), **more)


TASKS = {
    "cpus 2+, memory 4+ (the default)": (Resources(),),
    "cpus 4+, spot": (Resources(cpus=at_least(4), use_spot=True),),
    "A100:8": (gpu("A100", 8),),
    "any_of H100:8 spot, A100:8": (gpu("H100", 8, use_spot=True), gpu("A100", 8)),
    "cpus 192+": (Resources(cpus=at_least(192)),),
}


class Took(float):
    """Wall milliseconds, with the processor's beside them: on a busy machine the second is the steadier."""

    cpu: float | None = None


def took(wall: float, cpu: float | None) -> Took:
    value = Took(wall * 1000)
    value.cpu = None if cpu is None else round(cpu * 1000, 1)
    return value


def once(act: Callable[[], Plan]) -> tuple[Took, Plan]:
    wall, cpu = time.perf_counter(), time.process_time()
    plan = act()
    return took(time.perf_counter() - wall, time.process_time() - cpu), plan


def milliseconds(act: Callable[[], object], times: int) -> Took:
    """The median wall time (and processor time), after one call that warms up."""
    act()
    walls, cpus = [], []
    for _ in range(max(times, 1)):
        wall, cpu = time.perf_counter(), time.process_time()
        act()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return took(statistics.median(walls), statistics.median(cpus))


def row(what: str, value: float, unit: str, goal: float | None, plan: Plan | None = None) -> dict[str, object]:
    found: dict[str, object] = {"what": what, "value": round(value, 1), "unit": unit, "goal": goal}
    found["cpu"] = getattr(value, "cpu", None)
    if plan is not None:
        found["gap"] = plan.certificate.gap
        found["columns"] = plan.certificate.columns
        found["usd"] = round(plan.total_usd, 4)
    return found


def one_task(catalog: Catalog, times: int) -> list[dict[str, object]]:
    rows = []
    for what, resources in TASKS.items():
        task = Task(resources=resources)

        def unseen(task: Task = task) -> Plan:
            recall.forget()
            return plan_task(task, catalog)

        rows.append(row(f"{what}: never asked before", milliseconds(unseen, times), "ms", None))
        plan = plan_task(task, catalog)
        again = milliseconds(lambda task=task: plan_task(task, catalog), times)
        rows.append(row(f"{what}: warm", again, "ms", 20, plan))
    return rows


def fresh_process(times: int) -> list[dict[str, object]]:
    memory = []

    def act() -> None:
        done = subprocess.run([sys.executable, "-c", FRESH], check=True, capture_output=True, text=True, cwd=ROOT)
        memory.append(int(done.stdout) / 1024)

    wall = milliseconds(act, times)
    wall.cpu = None  # another process's
    return [
        row("one task in a fresh process, python and imports included", wall, "ms", 600),
        row("peak memory of that process", max(memory), "MiB", 150),
    ]


def from_the_shell(times: int) -> list[dict[str, object]]:
    """`tradewind plan FILE` as a person types it, the daemon of its data directory up."""
    program = pathlib.Path(sys.executable).parent / "tradewind"
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, "TRADEWIND_DATA_DIR": f"{home}/data"}
        task = pathlib.Path(home) / "t.yaml"
        task.write_text("name: t\nresources: {accelerators: A100:8, use_spot: true}\nrun: 'true'\n")

        def tradewind(*words: str) -> None:
            subprocess.run([str(program), *words], check=True, capture_output=True, env=env)

        tradewind("api", "start")
        try:
            wall = milliseconds(lambda: tradewind("plan", str(task)), times)
        finally:
            tradewind("api", "stop")
    wall.cpu = None  # another process's
    return [row("tradewind plan from the shell, daemon up", wall, "ms", 250)]


def random_dag(seed: int, steps: int) -> tuple[list[Task], list[Edge]]:
    """Steps of mixed needs, at most two parents each, 0.1 to 1,000 GB on the edges."""
    rng = random.Random(seed)
    tasks = []
    for i in range(steps):
        spot = rng.random() < 0.5
        needs = (
            Resources(cpus=at_least(rng.choice([2, 8, 32, 64])), use_spot=spot),
            Resources(cpus=at_least(rng.choice([4, 16])), memory=at_least(rng.choice([16, 64])), use_spot=spot),
            gpu(rng.choice(["A100", "T4", "V100", "H100", "L4"]), rng.choice([1, 4, 8]), use_spot=spot),
        )
        tasks.append(Task(name=f"step-{i:02}", resources=(rng.choice(needs),)))
    edges = [
        Edge(f"step-{j:02}", f"step-{i:02}", 10 ** rng.uniform(-1, 3))
        for i in range(1, steps)
        for j in rng.sample(range(max(0, i - 6), i), min(i, rng.choice([1, 2])))
    ]
    return tasks, edges


def dags(catalog: Catalog, times: int) -> list[dict[str, object]]:
    chain = [Task(name=n, resources=(Resources(cpus=at_least(8)),)) for n in ("load", "train", "report")]
    edges = [Edge("load", "train", 50), Edge("train", "report", 5)]
    plan = plan_tasks(chain, catalog, edges=edges)
    rows = [
        row("chain of 3", milliseconds(lambda: plan_tasks(chain, catalog, edges=edges), times), "ms", 150, plan),
    ]
    paces = {"H100": 1.0, "A100": 2.2, "V100": 5.5, "L4": 8.0, "T4": 14.0}
    work = [Task(name=n, resources=tuple(gpu(a, 1, use_spot=True) for a in paces)) for n in ("a", "b", "c")]
    problem = problem_of(work, catalog)
    problem = msgspec.structs.replace(
        problem,
        edges=(Edge("a", "b", 10), Edge("b", "c", 10)),
        requests=tuple(
            msgspec.structs.replace(
                r, candidates=tuple(msgspec.structs.replace(c, hours=paces[c.offer.accelerator]) for c in r.candidates)
            )
            for r in problem.requests
        ),
    )
    wall = milliseconds(lambda: pareto(problem, 20), min(times, 3))
    rows.append(row("cost against time of a chain of 3, up to 20 points", wall, "ms", 2000))
    for steps, goal in ((10, 2000), (50, 15000)):
        walls, worst = [], 0.0
        for seed in range(3):
            tasks, edges = random_dag(seed, steps)
            wall, plan = once(lambda tasks=tasks, edges=edges: plan_tasks(tasks, catalog, edges=edges))
            walls.append(wall)
            worst = max(worst, plan.certificate.gap)
        rows.append({**row(f"DAG of {steps} steps (worst of 3)", max(walls), "ms", goal, plan), "gap": worst})
    return rows


def crowd(catalog: Catalog, jobs: int, shapes: int, regions: int = 40) -> Problem:
    """Jobs of so many shapes in the cheapest regions of the catalog, under quotas of nodes that not all of them fit into."""
    rng = random.Random(jobs + shapes)
    sizes = [at_least(n) for n in (2, 4, 8, 16, 32, 48, 64)]
    base = [
        problem_of([Task(name="t", resources=(Resources(cpus=cpus, use_spot=True),))], catalog).requests[0].candidates
        for cpus in sizes
    ]
    places = sorted({(c.offer.cloud, c.offer.region) for row in base for c in row})
    places = rng.sample(places, regions)
    kinds = []
    for _ in range(shapes):
        row = [c for c in rng.choice(base) if (c.offer.cloud, c.offer.region) in places]
        kinds.append((tuple(row), rng.choice([1, 2, 4, 8]), round(rng.uniform(1, 24), 2)))
    requests = tuple(
        Request(f"job-{j:05}", row, num_nodes=nodes, hours=hours)
        for j in range(jobs)
        for row, nodes, hours in [kinds[j % shapes]]
    )
    nodes = sum(r.num_nodes for r in requests)
    quotas = tuple(Quota(Place(cloud=c, region=r), int(nodes / regions * rng.uniform(0.8, 2))) for c, r in places)
    return Problem(requests, Limits(quotas=quotas), time_limit_s=60)


def crowds(catalog: Catalog, *, long: bool) -> list[dict[str, object]]:
    rows = []
    sizes = [(1000, 50, 5000), (1000, 1000, 20000)] + ([(10000, 10000, 120000)] if long else [])
    for jobs, shapes, goal in sizes:
        problem = crowd(catalog, jobs, shapes)
        wall, plan = once(lambda problem=problem: optimize(problem, clock=time.perf_counter))
        what = f"{jobs:,} jobs of {shapes:,} shapes under quotas in 40 regions"
        rows.append(row(what, wall, "ms", goal, plan))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--times", type=int, default=9)
    parser.add_argument("--long", action="store_true", help="also 10,000 jobs that are all distinct")
    options = parser.parse_args()
    with open_catalog() as catalog:
        rows = one_task(catalog, options.times) + fresh_process(min(options.times, 5)) + from_the_shell(options.times)
        rows += dags(catalog, options.times) + crowds(catalog, long=options.long)
    rows.append(
        row("peak memory of all of the above", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "MiB", None)
    )
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    for found in rows:
        goal = "" if found["goal"] is None else f"(goal {found['goal']:g})"
        proof = f"gap {found['gap']:.2g}, {found['columns']} columns, {found['usd']} USD" if "gap" in found else ""
        cpu = "" if found["cpu"] is None else f"{found['cpu']:>9} ms of CPU"
        print(f"{found['what']:<66} {found['value']:>9} {found['unit']:<4} {goal:<13} {cpu:<20} {proof}".rstrip())


if __name__ == "__main__":
    main()
