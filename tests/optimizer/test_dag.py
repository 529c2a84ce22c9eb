"""Tasks that hand data on: where they go depends on what moving it costs."""

from __future__ import annotations

import math
import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.optimizer.problems import candidate, placed, random_problem
from tradewind.optimizer import InvalidProblem, Limits, Problem, Request, optimize
from tradewind.optimizer.check import canonical
from tradewind.optimizer.egress import Egress, egress_of
from tradewind.optimizer.problem import Edge
from tradewind.optimizer.prune import prune
from tradewind.optimizer.prune.dominance import keep_undominated
from tradewind.optimizer.prune.run import usable
from tradewind.optimizer.search import search
from tradewind.optimizer.solvers import HighsArrays, PulpSolver

PRICES = egress_of([("aws", "east", "aws", "west", 0.02), ("aws", "east", "internet", "", 0.09)])


def step(name: str, **usd_by_place: float) -> Request:
    """A step that runs for an hour at these prices; places are written `cloud_region`."""
    return Request(
        name,
        tuple(
            candidate(usd, cloud=place.partition("_")[0], region=place.partition("_")[2], zone="")
            for place, usd in usd_by_place.items()
        ),
    )


def test_little_data_moves_and_much_data_does_not():
    steps = (step("a", aws_east=1.0), step("b", aws_east=2.0, gcp_north=1.0))
    small = optimize(Problem(steps, edges=(Edge("a", "b", 10),), egress=PRICES))
    large = optimize(Problem(steps, edges=(Edge("a", "b", 100),), egress=PRICES))
    assert [p.cloud for p in small.placements] == ["aws", "gcp"]
    assert small.transfers[0].usd == pytest.approx(0.9)
    assert small.total_usd == pytest.approx(1 + 1 + 0.9)
    assert [p.cloud for p in large.placements] == ["aws", "aws"]
    assert large.transfers[0].usd == 0
    assert large.certificate.objective == large.total_usd == 3.0
    gcp = next(c for c in large.candidates if c.task == "b" and c.cloud == "gcp")
    assert gcp.reason == "8 USD more is expected (5.0x)"  # 1 + 100 x 0.09 against 2


def test_what_is_not_known_is_not_free():
    prices = Egress({"x/r>internet/": 0.5, "x/r>y/s": 0.1}, unknown_usd_per_gb=0.3)
    assert prices.price(("x", "r"), ("x", "r")) == 0
    assert prices.price(("x", "r"), ("y", "s")) == 0.1
    assert prices.price(("x", "r"), ("z", "t")) == 0.5
    assert prices.price(("z", "t"), ("x", "r")) == 0.3


def test_moving_data_counts_against_the_budget():
    steps = (step("a", aws_east=1.0), step("b", gcp_north=1.0))
    problem = Problem(steps, Limits(max_total_usd=2.5), edges=(Edge("a", "b", 10),), egress=PRICES)
    plan = optimize(problem)
    assert not plan.feasible
    assert plan.conflicts[0].total_usd == pytest.approx(2.9)
    assert optimize(msgspec.structs.replace(problem, limits=Limits(max_total_usd=2.9))).feasible


def test_inputs_that_lie_somewhere_are_paid_for_once():
    near, far = candidate(1.0, cloud="aws"), candidate(0.5, cloud="gcp")
    far = msgspec.structs.replace(far, once_usd=2.0)
    assert optimize(Problem((Request("a", (near, far), hours=3),))).placements[0].cloud == "aws"
    plan = optimize(Problem((Request("a", (near, far), hours=5),)))
    assert plan.placements[0].cloud == "gcp"
    assert plan.total_usd == 4.5
    assert plan.hourly_usd == 0.5


@pytest.mark.parametrize(
    ("edge", "sentence"),
    [
        (Edge("a", "c", 1), "names 'c', which is no task here"),
        (Edge("a", "b", math.nan), "carries nan GB"),
        (Edge("a", "b", -1), "carries -1 GB"),
        (Edge("b", "a", 1), "wait for each other in a circle"),
        (Edge("a", "a", 1), "wait for each other in a circle"),
    ],
)
def test_refuses_edges_without_a_meaning(edge, sentence):
    steps = (step("a", aws_east=1.0), step("b", aws_east=1.0))
    with pytest.raises(InvalidProblem, match=sentence):
        optimize(Problem(steps, edges=(Edge("a", "b", 1), edge)))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_dead_ends_hold_no_optimum(seed):
    """The search over what elimination left costs what the search over everything costs."""
    problem = canonical(random_problem(seed))
    everything = keep_undominated(problem, usable(problem))
    lean = prune(problem)
    assert all(set(a) <= set(b) for a, b in zip(lean.left, everything.left, strict=True))
    full, found = (search(problem, pool, [HighsArrays()]) for pool in (everything, lean))
    assert found.objective_usd == full.objective_usd
    assert bool(found.choice) == bool(full.choice)


def world(seed: int, steps: int, regions: int) -> Problem:
    """A DAG of steps with at most two parents over regions of three clouds."""
    rng = random.Random(seed)
    places = [(cloud, f"r{i:02}") for i in range(regions // 3) for cloud in ("aws", "azure", "gcp")]
    prices = egress_of(
        (*a, *b, rng.choice([0.01, 0.02, 0.05, 0.08]) if a[0] == b[0] else rng.choice([0.09, 0.12]))
        for a in places
        for b in places
        if a != b
    )
    requests = []
    for i in range(steps):
        base = 10 ** rng.uniform(-1, 1)
        row = tuple(
            candidate(round(base * rng.uniform(1, 2), 4), cloud=c, region=r, zone="", instance_type=f"t{i}")
            for c, r in places
        )
        requests.append(Request(f"s{i:02}", row, hours=rng.choice([1.0, 5.0])))
    edges = tuple(
        Edge(f"s{j:02}", f"s{i:02}", 10 ** rng.uniform(-1, 3))
        for i in range(1, steps)
        for j in rng.sample(range(max(0, i - 5), i), min(i, rng.choice([1, 2])))
    )
    return Problem(tuple(requests), edges=edges, egress=prices)


@pytest.mark.parametrize("seed", range(3))
def test_a_dag_over_many_regions_is_proven_and_every_solver_agrees(seed):
    problem = world(seed, 6, 24)
    plans = [optimize(problem, solvers=[s]) for s in (HighsArrays(), PulpSolver("HiGHS"), PulpSolver("CBC"))]
    assert placed(plans[0]) == placed(plans[1]) == placed(plans[2])
    assert plans[0].certificate.gap == 0
    together = optimize(msgspec.structs.replace(problem, edges=()))
    assert plans[0].total_usd >= together.total_usd


def test_fifty_steps_over_sixty_regions_are_proven():
    plan = optimize(world(7, 50, 60))
    assert plan.feasible
    assert plan.certificate.gap == 0
    assert len(plan.transfers) >= 49
    compute = sum(p.total_usd for p in plan.placements)
    assert plan.total_usd == pytest.approx(compute + sum(t.usd for t in plan.transfers))
