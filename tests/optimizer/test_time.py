"""Machines that take different times: deadlines of a whole DAG, and cost against time."""

from __future__ import annotations

from itertools import product

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.optimizer.problems import candidate, random_problem
from tradewind.optimizer import Edge, Problem, Request, explain, optimize, pareto
from tradewind.optimizer.check import canonical
from tradewind.optimizer.cost import makespan_h, plan_nano
from tradewind.optimizer.limits import keeps_limits


def timed(name: str, *usd_and_hours: tuple[float, float]) -> Request:
    return Request(
        name,
        tuple(
            msgspec.structs.replace(candidate(usd, cloud="aws", region=f"r{i}"), hours=hours)
            for i, (usd, hours) in enumerate(usd_and_hours)
        ),
    )


CHAIN = Problem(
    (timed("a", (1.0, 4.0), (6.0, 1.0)), timed("b", (1.0, 6.0), (3.0, 3.0)), timed("c", (1.0, 2.0))),
    edges=(Edge("a", "b", 0), Edge("a", "c", 0)),
)


def test_a_machine_of_its_own_pace_is_paid_for_its_own_hours():
    plan = optimize(Problem((timed("a", (1.0, 4.0), (3.0, 1.0)),)))
    assert (plan.placements[0].hours, plan.total_usd, plan.makespan_h) == (1.0, 3.0, 1.0)


def test_the_longest_path_is_what_ends_last():
    plan = optimize(CHAIN)
    assert (plan.total_usd, plan.makespan_h) == (4 + 6 + 2, 10.0)


@pytest.mark.parametrize(("deadline_h", "usd"), [(10, 12), (9.9, 14), (7, 14), (4, 17), (3.9, None)])
def test_a_deadline_of_the_whole(deadline_h, usd):
    plan = optimize(msgspec.structs.replace(CHAIN, deadline_h=deadline_h))
    assert plan.feasible == (usd is not None)
    if usd is None:
        assert plan.conflicts[0].limit == "the deadline of everything after 3.9 h"
        assert plan.conflicts[0].total_usd == 12
    else:
        # a: 4 USD in 4 h or 6 in 1; b: 6 in 6 or 9 in 3; c: 2 in 2
        assert plan.total_usd == usd
        assert plan.makespan_h <= deadline_h


def test_the_front_runs_from_the_cheapest_to_the_quickest():
    front = pareto(CHAIN, 20)
    assert [(p.total_usd, p.makespan_h) for p in front] == [(12, 10), (14, 7), (17, 4)]
    assert len(pareto(CHAIN, 1)) == 1


def test_what_the_deadline_costs_is_explained():
    problem = msgspec.structs.replace(CHAIN, deadline_h=7)
    told = explain(problem, optimize(problem))
    assert [(x.limit, x.total_usd) for x in told.limits] == [("the deadline of everything after 7 h", 12)]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
@example(4745)
def test_nothing_beats_a_point_of_the_front_in_both(seed):
    problem = canonical(random_problem(seed, max_requests=3, max_candidates=4))
    choices = [
        (plan_nano(problem, choice) / 1e9, makespan_h(problem, choice))
        for choice in product(*(r.candidates for r in problem.requests))
        if keeps_limits(problem, choice)
    ]
    front = pareto(problem, 8)
    assert bool(front) == bool(choices)
    costs = [p.total_usd for p in front]
    times = [p.makespan_h for p in front]
    assert times == sorted(times, reverse=True)
    if any(request.ordered for request in problem.requests):
        return  # what is asked for first comes before what is cheap
    assert costs == sorted(costs)
    for usd, hours in zip(costs, times, strict=True):
        assert not any(c < usd - 1e-9 and h <= hours for c, h in choices)
