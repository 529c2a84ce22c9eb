"""Bad figures and bad luck: refused in a sentence or left out with a reason, and the same plan whatever the order of rows."""

from __future__ import annotations

import math

import msgspec
import pytest

from tests.optimizer.problems import candidate, offer
from tradewind.optimizer import (
    Candidate,
    Edge,
    InvalidProblem,
    Limits,
    Place,
    Problem,
    Quota,
    Request,
    SolverFailed,
    optimize,
)
from tradewind.optimizer.solvers import PulpSolver


def priced(price) -> Candidate:
    return Candidate(offer(region="bad"), False, price)


@pytest.mark.parametrize("price", [0.0, -1.0, math.nan, math.inf, -math.inf, 1e300, -0.0])
def test_a_price_that_is_none_is_never_chosen(price):
    plan = optimize(Problem((Request("a", (priced(price), candidate(5.0))),)))
    assert plan.placements[0].hourly_usd == 5.0
    alone = optimize(Problem((Request("a", (priced(price),)),)))
    assert not alone.feasible
    assert "price is missing, zero or no number" in alone.why_infeasible[0]


def test_duplicate_offers_are_one():
    row = candidate(1.0)
    plan = optimize(Problem((Request("a", (row, row, candidate(1.0))),)))
    assert (plan.total_usd, len(plan.candidates)) == (1.0, 1)


def test_a_place_that_nobody_knows_limits_nothing():
    limits = Limits(blocks=(Place(region="atlantis"),), quotas=(Quota(Place(cloud="nowhere"), 0),))
    assert optimize(Problem((Request("a", (candidate(1.0),)),), limits)).feasible


def test_limits_that_contradict_each_other_are_named():
    limits = Limits(quotas=(Quota(Place(cloud="aws"), 0),), blocks=(Place(cloud="gcp"),))
    plan = optimize(Problem((Request("a", (candidate(1.0), candidate(2.0, cloud="gcp"))),), limits))
    assert {c.limit for c in plan.conflicts} == {"the quota of 0 nodes at aws/*/*/*", "the block of gcp/*/*/*"}


def test_a_circle_is_told():
    requests = tuple(Request(name, (candidate(1.0),)) for name in "abc")
    edges = (Edge("a", "b", 1), Edge("b", "c", 1), Edge("c", "a", 1))
    with pytest.raises(InvalidProblem, match="circle: . -> . -> . -> ."):
        optimize(Problem(requests, edges=edges))


class Crashing:
    name = "crashing"

    def solve(self, *_: object, **__: object):
        raise SolverFailed("crashing", "it fell over")


def test_a_solver_that_crashes_is_replaced_and_said():
    both = (candidate(1.0), candidate(0.5, region="r2"))
    scarce = Limits(quotas=(Quota(Place(region="r2"), 1),))
    problem = Problem((Request("a", both), Request("b", both)), scarce)
    plan = optimize(problem, solvers=[Crashing(), PulpSolver("CBC")])
    assert (plan.total_usd, plan.certificate.solver) == (1.5, "CBC through PuLP (after crashing failed)")
    with pytest.raises(SolverFailed, match="fell over"):
        optimize(problem, solvers=[Crashing()])


@pytest.mark.parametrize("field", ["num_nodes", "hours", "deadline_h"])
def test_huge_numbers_are_refused(field):
    request = msgspec.structs.replace(Request("a", (candidate(1.0),)), **{field: -(10**30)})
    with pytest.raises(InvalidProblem):
        optimize(Problem((request,)))
    if field != "deadline_h":
        with pytest.raises(InvalidProblem):
            optimize(Problem((msgspec.structs.replace(request, **{field: 10**30}),)))
