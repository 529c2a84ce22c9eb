"""A plan stays the best up to its margin and no further, and each limit costs what lifting it saves."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings

from tests.optimizer.problems import candidate, problems
from tradewind.optimizer import Limits, Place, Problem, Quota, Recovery, Request, Weights, explain, optimize
from tradewind.optimizer.check import canonical
from tradewind.optimizer.conflicts import under


def dearer(problem: Problem, plan, task: str, factor: float) -> Problem:
    """The same problem with the offer that `task` was given at another price, for that task."""
    spot = {p.task: (p.offer, p.use_spot) for p in plan.placements}[task]

    def raised(candidates):
        return tuple(
            msgspec.structs.replace(c, hourly_usd=c.hourly_usd * factor) if (c.offer, c.use_spot) == spot else c
            for c in candidates
        )

    requests = tuple(
        msgspec.structs.replace(r, candidates=raised(r.candidates)) if r.task == task else r for r in problem.requests
    )
    return msgspec.structs.replace(problem, requests=requests)


def bought(plan) -> list[tuple]:
    """Where each task goes, and on how many nodes that are paid already: the plan changes too when another task is given those."""
    return [(p.task, p.offer, p.use_spot, p.free_nodes) for p in plan.placements]


@settings(max_examples=120, deadline=None)
@given(problems(max_requests=3))
def test_margin_is_where_the_plan_changes(problem):
    plan = optimize(problem)
    for margin in explain(problem, plan).margins:
        if margin.rise is None:
            assert optimize(dearer(problem, plan, margin.task, 1000)).feasible or problem.limits.max_hourly_usd
            continue
        if margin.rise > 1e-3:
            still = optimize(dearer(problem, plan, margin.task, 1 + margin.rise * 0.999))
            assert bought(still) == bought(plan)
        beyond = optimize(dearer(problem, plan, margin.task, 1 + margin.rise * 1.001 + 1e-6))
        assert bought(beyond) != bought(plan)


@settings(max_examples=60, deadline=None)
@given(problems(max_requests=3))
def test_limit_prices_are_true(problem):
    plan = optimize(problem)
    free = optimize(under(canonical(problem), []))
    for limit in explain(problem, plan).limits:
        assert 0 < limit.saving <= 1
        if problem.weights == Weights():
            assert limit.saving == pytest.approx(1 - limit.total_usd / plan.total_usd)
        if not any(request.ordered for request in problem.requests):
            least = plan.certificate.objective * (1 - limit.saving)
            assert free.certificate.objective <= least * (1 + 1e-9) + 1e-9


def test_says_until_when_and_what_comes_next():
    problem = Problem(
        (Request("train", (candidate(1.0), candidate(1.14, cloud="gcp"), candidate(0.8, cloud="lambda"))),),
        Limits(blocks=(Place(cloud="lambda"),), quotas=(Quota(Place(cloud="gcp"), 7),)),
    )
    told = explain(problem, optimize(problem))
    assert told.margins[0].rise == pytest.approx(0.14)
    assert told.margins[0].next_best.cloud == "gcp"
    assert [(x.limit, x.total_usd, round(x.saving, 3)) for x in told.limits] == [
        ("the block of lambda/*/*/*", 0.8, 0.2)
    ]


def test_a_cap_may_hold_the_margin():
    problem = Problem((Request("a", (candidate(1.0), candidate(9.0, cloud="gcp"))),), Limits(max_hourly_usd=1.5))
    margin = explain(problem, optimize(problem)).margins[0]
    assert (margin.rise, margin.held_by) == (0.5, "max_hourly_usd 1.5")


def test_parts_tell_work_from_overhead():
    request = Request("a", (candidate(1.0, use_spot=True, spot_risk_per_h=0.1),), hours=10, recovery=Recovery(1.0))
    problem = Problem((request,))
    plan = optimize(problem)
    parts = explain(problem, plan).parts[0]
    assert parts.work_usd == 10
    assert parts.overhead_usd == pytest.approx(plan.total_usd - 10)
    assert parts.overhead_usd > 0


def test_nothing_to_explain_without_a_plan():
    problem = Problem((Request("a", ()),))
    assert explain(problem, optimize(problem)).margins == ()
