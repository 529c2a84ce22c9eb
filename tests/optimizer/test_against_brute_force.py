"""The plan is the one that trying every choice finds: never dearer, never missing, ties included."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.optimizer.problems import brute_force, chosen, placed, problems, random_problem
from tradewind.optimizer import Plan, Problem, Weights, optimize
from tradewind.optimizer.check import canonical
from tradewind.optimizer.cost import plan_nano
from tradewind.optimizer.limits import keeps_limits
from tradewind.optimizer.money import usd
from tradewind.optimizer.order import sorted_candidates
from tradewind.optimizer.solvers import HighsArrays, PulpSolver

SLOW = settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.timeout(900)  # some 20 s on a machine of its own
@settings(SLOW, max_examples=2000)
@given(problems())
def test_plan_is_the_brute_force_optimum(problem):
    plan = optimize(problem)
    truth = brute_force(problem)
    assert plan.feasible == (truth is not None)
    if truth is None:
        assert plan.why_infeasible
        assert not plan.placements
        return
    assert placed(plan) == chosen(problem, truth)
    assert plan.certificate.gap == 0
    assert plan.certificate.bound == plan.certificate.objective
    assert plan.total_usd == usd(plan_nano(canonical(problem), truth))
    if problem.weights == Weights():
        assert plan.certificate.objective == plan.total_usd


def test_a_tie_is_not_lost_to_a_plan_that_is_dearer_by_less_than_the_solver_sees():
    """Among its safer plans one costs a ten-millionth of a dollar more, which a float's tolerance lets pass for as cheap."""
    problem = random_problem(1_015_034, moving=False)
    assert placed(optimize(problem)) == chosen(problem, brute_force(problem))


def test_a_relaxation_that_a_tolerance_made_cheaper_is_no_proof():
    """Its columns are whole to a ten-millionth, and cost 68 nano-dollars more when they are rounded."""
    certificate = optimize(random_problem(21_248_006)).certificate
    assert certificate.solver == "HiGHS"
    assert certificate.bound == certificate.objective


def test_a_tie_is_settled_where_reservations_pay_for_the_cheapest_of_everything():
    problem = random_problem(1_051_540, moving=False)
    assert placed(optimize(problem)) == chosen(problem, brute_force(problem))


def test_the_problems_are_hard_enough():
    """The generator would prove nothing if the cheapest of each request nearly always fitted."""
    binding = infeasible = 0
    for seed in range(300):
        problem = random_problem(seed)
        truth = brute_force(problem)
        infeasible += truth is None
        cheapest = [sorted_candidates(r, r.candidates)[0] for r in problem.requests]
        binding += truth is not None and any(a != b for a, b in zip(truth, cheapest, strict=True))
    assert binding >= 30
    assert 30 <= infeasible <= 180


@settings(SLOW, max_examples=60)
@given(problems(), st.randoms(use_true_random=False))
def test_row_order_does_not_matter(problem, rng: random.Random):
    def shuffled(items):
        return tuple(rng.sample(items, len(items)))

    other = msgspec.structs.replace(
        problem,
        requests=shuffled([msgspec.structs.replace(r, candidates=shuffled(r.candidates)) for r in problem.requests]),
        limits=msgspec.structs.replace(
            problem.limits, blocks=shuffled(problem.limits.blocks), quotas=shuffled(problem.limits.quotas)
        ),
        edges=shuffled(problem.edges),
        together=shuffled(problem.together),
    )
    assert msgspec.json.encode(optimize(other)) == msgspec.json.encode(optimize(problem))


@settings(SLOW, max_examples=40)
@given(problems(max_requests=4))
def test_every_solver_gives_the_same_plan(problem):
    plans = [optimize(problem, solvers=[s]) for s in (HighsArrays(), PulpSolver("HiGHS"), PulpSolver("CBC"))]
    assert placed(plans[0]) == placed(plans[1]) == placed(plans[2])
    assert plans[0].total_usd == plans[1].total_usd == plans[2].total_usd
    assert plans[0].feasible == plans[1].feasible == plans[2].feasible


@settings(SLOW, max_examples=100)
@given(problems())
def test_every_fallback_is_a_usable_candidate_of_its_task(problem):
    plan = optimize(problem)
    requests = {r.task: r for r in problem.requests}
    for line in plan.candidates:
        request = requests[line.task]
        match = [c for c in request.candidates if c.offer == line.offer and c.use_spot == line.use_spot]
        assert match
        alone = msgspec.structs.replace(problem.limits, max_hourly_usd=None, max_total_usd=None)
        assert keeps_limits(Problem((request,), alone), match[:1])
    assert [line.task for line in plan.candidates if not line.reason] == [p.task for p in plan.placements]


@settings(SLOW, max_examples=50)
@given(problems(max_requests=2))
def test_plans_survive_the_wire(problem):
    plan = optimize(problem)
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan
