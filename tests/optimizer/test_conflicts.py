"""The limits named for a problem without a plan are truly in conflict, truly fewest, and truly priced."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings

from tests.optimizer.problems import brute_force, candidate, problems
from tradewind.optimizer import Limits, Place, Problem, Quota, Recovery, Request, optimize
from tradewind.optimizer.check import canonical
from tradewind.optimizer.conflicts import describe, limits_of, under


@settings(max_examples=300, deadline=None)
@given(problems(max_requests=3, max_candidates=4))
def test_conflicts_are_smallest_and_true(problem):
    plan = optimize(problem)
    if plan.feasible:
        assert plan.conflicts == ()
        return
    problem = canonical(problem)
    limits = limits_of(problem)
    if brute_force(under(problem, [])) is None:  # no limit is to blame: nobody knows what its candidates emit
        assert plan.conflicts == ()
        assert plan.why_infeasible
        return
    named = [limit for limit in limits if describe(limit) in {c.limit for c in plan.conflicts}]
    assert len(named) == len(plan.conflicts) >= 1
    assert brute_force(under(problem, named)) is None
    for size in range(len(named)):
        for fewer in combinations(limits, size):
            assert brute_force(under(problem, fewer)) is not None
    for conflict in plan.conflicts:
        others = [limit for limit in limits if describe(limit) != conflict.limit]
        assert (conflict.total_usd is None) == (brute_force(under(problem, others)) is None)


def test_a_deadline_and_a_cap_that_exclude_each_other():
    recovery = Recovery(1.0, 0.05, 0.1, 0.5)
    spot = candidate(0.1, use_spot=True, spot_risk_per_h=0.5)
    sure = candidate(0.9, cloud="gcp")
    request = Request("train", (spot, sure), hours=10, recovery=recovery, deadline_h=11)
    plan = optimize(Problem((request,), Limits(max_hourly_usd=0.5, quotas=(Quota(Place(), 9),))))
    assert {c.limit for c in plan.conflicts} == {"max_hourly_usd 0.5", "the deadline of train after 11 h"}
    assert all(c.total_usd is not None for c in plan.conflicts)
    assert "without it the cheapest plan costs" in " ".join(plan.why_infeasible)


def test_two_problems_at_once_are_named_one_at_a_time():
    requests = (Request("a", (candidate(1.0),)), Request("b", (candidate(1.0, cloud="gcp"),)))
    plan = optimize(Problem(requests, Limits(blocks=(Place(cloud="aws"), Place(cloud="gcp")))))
    assert len(plan.conflicts) == 1
    assert plan.conflicts[0].total_usd is None
    assert "lifting it alone is not enough" in " ".join(plan.why_infeasible)


def test_many_limits_fall_back_to_a_minimal_set():
    quotas = tuple(Quota(Place(cloud="aws", region=f"r{i}"), 0) for i in range(30))
    row = tuple(candidate(1.0, region=f"r{i}") for i in range(30))
    plan = optimize(Problem((Request("a", row),), Limits(quotas=quotas)))
    assert len(plan.conflicts) == 30
    assert all(c.hourly_usd == pytest.approx(1.0) for c in plan.conflicts)
