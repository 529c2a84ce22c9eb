"""Many jobs at once under shared quotas: equal ones are counted together, and the answer is the one that telling them apart gives."""

from __future__ import annotations

import random

import pytest

from tests.optimizer.problems import candidate
from tradewind.optimizer import Limits, Place, Problem, Quota, Request, optimize
from tradewind.optimizer.check import canonical
from tradewind.optimizer.cost import plan_nano
from tradewind.optimizer.model import build_model
from tradewind.optimizer.prune import prune
from tradewind.optimizer.solvers import HighsArrays, PulpSolver


def many(seed: int, jobs: int, shapes: int, regions: int) -> Problem:
    rng = random.Random(seed)
    places = [("aws" if i % 2 else "gcp", f"r{i:02}") for i in range(regions)]
    kinds = []
    for s in range(shapes):
        base = 10 ** rng.uniform(-1.5, 1.5)
        row = tuple(
            candidate(round(base * rng.uniform(0.6, 1.6), 6), cloud=c, region=r, zone="", instance_type=f"t{s}")
            for c, r in places
        )
        kinds.append((row, rng.choice([1, 2, 4, 8]), rng.choice([1.0, 4.0])))
    requests = tuple(
        Request(f"job-{j:05}", row, num_nodes=nodes, hours=hours)
        for j in range(jobs)
        for row, nodes, hours in [kinds[j % shapes]]
    )
    nodes = sum(r.num_nodes for r in requests)
    quotas = tuple(
        Quota(Place(cloud=c, region=r), max(8, int(nodes / regions * rng.uniform(0.6, 2.0)))) for c, r in places
    )
    return Problem(requests, Limits(quotas=quotas))


def keeps_quotas(problem: Problem, plan) -> bool:
    return all(
        sum(p.num_nodes for p in plan.placements if (p.cloud, p.region) == (q.place.cloud, q.place.region)) <= q.limit
        for q in problem.limits.quotas
    )


@pytest.mark.parametrize("seed", range(4))
def test_classes_cost_what_single_requests_cost(seed):
    problem = canonical(many(seed, jobs=24, shapes=3, regions=4))
    pool = prune(problem)
    costs = []
    for by_class in (True, False):
        model = build_model(problem, pool, by_class=by_class)
        solution = HighsArrays().solve(model.program, 60)
        costs.append(plan_nano(problem, model.choice(solution.chosen)))
    assert costs[0] == costs[1]
    plan = optimize(problem)
    assert plan.total_usd == costs[0] / 1e9
    assert keeps_quotas(problem, plan)
    assert optimize(problem, solvers=[PulpSolver("CBC")]).total_usd == plan.total_usd


def test_a_thousand_jobs_of_fifty_shapes_are_proven():
    problem = many(1, jobs=1000, shapes=50, regions=40)
    plan = optimize(problem)
    assert plan.certificate.gap == 0
    assert plan.certificate.columns <= 50 * 40
    assert len(plan.placements) == 1000
    assert keeps_quotas(problem, plan)


def test_two_hundred_jobs_all_distinct_are_proven():
    problem = many(2, jobs=200, shapes=200, regions=20)
    plan = optimize(problem)
    assert plan.certificate.gap == 0
    assert keeps_quotas(problem, plan)
