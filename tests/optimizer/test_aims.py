"""What a plan is least in, the fronts between measures, and what is paid already."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings

from tests.optimizer.problems import candidate, problems
from tradewind.optimizer import (
    Edge,
    Egress,
    InvalidProblem,
    Limits,
    Place,
    Problem,
    Request,
    Reservation,
    Share,
    Weights,
    minimize,
    optimize,
    pareto,
    parse_aim,
)
from tradewind.optimizer.aims import TIME_GAP, Aim, quickest_h


def machine(price: float, hours: float, kg_h: float | None, **where):
    return msgspec.structs.replace(candidate(price, **where), hours=hours, carbon_kg_h=kg_h)


CHEAP = machine(1.0, 10, 0.5, region="cheap")
QUICK = machine(8.0, 2, 4.0, region="quick")
CLEAN = machine(2.0, 10, 0.1, region="clean")
DIRTY = machine(0.5, 10, None, region="unknown")


def one(*candidates, **more) -> Problem:
    return Problem((Request("train", candidates),), **more)


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("cost", "unknown"),
        ("time", "quick"),
        ("carbon", "clean"),
        ("time,cost", "quick"),
        ("carbon,time", "clean"),
        ("cost+0.1*time+0*carbon", "unknown"),
        ("cost+10*carbon", "clean"),
        ("cost+10*time", "quick"),
    ],
)
def test_least_in_what_is_asked(text, region):
    plan = minimize(one(CHEAP, QUICK, CLEAN, DIRTY), parse_aim(text))
    assert plan.placements[0].region == region
    assert plan.certificate.gap <= TIME_GAP


@pytest.mark.parametrize(
    "text", ["", "price", "cost,cost", "cost+", "cost+2*money", "0*cost", "cost*2", "9999999*cost", "a,b"]
)
def test_what_is_no_aim_is_said(text):
    with pytest.raises(ValueError, match=r"cost|weight|twice"):
        parse_aim(text)


def test_ties_in_the_first_are_settled_by_the_second():
    same = (machine(1.0, 10, 1, region="slow"), machine(2.0, 5, 1, region="fast"))
    assert minimize(one(*same), parse_aim("cost,time")).placements[0].region == "fast"
    assert minimize(one(*same), parse_aim("cost,time")).minimized == "cost,time"


@pytest.mark.parametrize(
    ("text", "order", "why"),
    [
        ("cost,time", ["unknown", "cheap", "quick", "clean"], "4.0x"),
        ("time", ["quick", "unknown", "cheap", "clean"], "10 h, not 2"),
        ("carbon,cost", ["clean", "cheap", "quick"], "8 kg CO2e, not 1"),
    ],
)
def test_failover_follows_the_same_order_and_knows_no_limit_that_nobody_gave(text, order, why):
    plan = minimize(one(CHEAP, QUICK, CLEAN, DIRTY), parse_aim(text))
    assert [c.region for c in plan.candidates] == order
    assert plan.candidates[0].reason == ""
    assert why in plan.candidates[-1].reason
    said = " ".join(c.reason for c in (*plan.candidates, *plan.references))
    assert not any(word in said for word in ("budget", "deadline", "cap", "limit")), said


def test_what_a_tie_in_cost_was_settled_by_is_said():
    same = (machine(1.0, 10, 1, region="slow"), machine(2.0, 5, 1, region="fast"))
    slow = minimize(one(*same), parse_aim("cost,time")).candidates[1]
    assert (slow.region, slow.reason) == ("slow", "the same cost; 10 h, not 5")


@settings(max_examples=60, deadline=None)
@given(problems(max_requests=3))
def test_no_plan_ends_sooner_and_none_emits_less(problem):
    problem = msgspec.structs.replace(problem, weights=Weights())
    soonest = minimize(problem, Aim(("time",)))
    cheapest = optimize(problem)
    assert soonest.feasible == cheapest.feasible
    if not soonest.feasible:
        return
    assert quickest_h(problem) * (1 - 1e-9) <= soonest.makespan_h <= cheapest.makespan_h * (1 + TIME_GAP)
    if soonest.makespan_h > quickest_h(problem) * (1 + 1e-5):
        sooner = optimize(msgspec.structs.replace(problem, deadline_h=soonest.makespan_h * (1 - 1e-5)))
        assert not sooner.feasible
    cleanest = minimize(problem, Aim(("carbon",)))
    if cleanest.feasible and cheapest.carbon_kg is not None and not any(r.ordered for r in problem.requests):
        assert cleanest.carbon_kg <= cheapest.carbon_kg + 1e-6


def test_fronts_of_any_two():
    problem = one(CHEAP, QUICK, CLEAN, DIRTY)
    assert [p.placements[0].region for p in pareto(problem)] == ["unknown", "quick"]
    assert [p.placements[0].region for p in pareto(problem, second="carbon")] == ["cheap", "clean"]
    assert [p.placements[0].region for p in pareto(problem, first="carbon")] == ["clean", "quick"]
    with pytest.raises(ValueError, match="two measures"):
        pareto(problem, first="cost", second="cost")


def test_reserved_nodes_cost_nothing_up_to_their_number():
    reserved = Reservation("ours", Place(region="r1"), 3)
    requests = tuple(Request(name, (candidate(1.0), candidate(0.7, region="r2")), num_nodes=2) for name in ("a", "b"))
    plan = optimize(Problem(requests, Limits(reservations=(reserved,))))
    # Three of four nodes are free: two of the one task, and of the other one beside a node at 1.0, which is less than 1.4.
    assert plan.total_usd == 1.0
    assert sorted(p.free_nodes for p in plan.placements) == [1, 2]
    for wrong in (Reservation("", Place(), 1), Reservation("x", Place(), -1), Reservation("x", Place(), 10**9)):
        with pytest.raises(InvalidProblem):
            optimize(Problem(requests, Limits(reservations=(wrong,))))


def test_no_cloud_gets_more_than_its_share():
    requests = tuple(Request(f"t{i}", (candidate(1.0), candidate(1.5, cloud="gcp"))) for i in range(10))
    plan = optimize(Problem(requests, Limits(shares=(Share(Place(cloud="aws"), 0.6),))))
    assert sorted(p.cloud for p in plan.placements) == ["aws"] * 6 + ["gcp"] * 4
    none = optimize(Problem(requests[:1], Limits(shares=(Share(Place(), 0.5),))))
    assert "the share of 50%" in none.why_infeasible[0] or "quota" in none.why_infeasible[0]
    with pytest.raises(InvalidProblem, match="0 to 1"):
        optimize(Problem(requests, Limits(shares=(Share(Place(), 1.5),))))


def test_the_first_alternative_that_can_be_had():
    first = candidate(5.0, alternative=0, region="first")
    problem = Problem((Request("a", (first, candidate(1.0, alternative=1)), ordered=True),))
    plan = optimize(problem)
    assert plan.placements[0].region == "first"
    assert plan.candidates[1].reason.startswith("it comes later in the order that was asked for")
    capped = msgspec.structs.replace(problem, limits=Limits(max_hourly_usd=2.0))
    assert optimize(capped).placements[0].alternative == 1


def test_moving_data_takes_its_time():
    def step(name):
        return Request(name, (candidate(1.0, region=f"only-{name}"), candidate(3.0, region="shared")), hours=1.0)

    problem = Problem(
        (step("a"), step("b")), edges=(Edge("a", "b", 450),), egress=Egress({}, 0.0001, gigabits_per_s=1.0)
    )
    apart = optimize(problem)
    assert (apart.transfers[0].hours, apart.makespan_h) == (1.0, 3.0)
    together = optimize(msgspec.structs.replace(problem, deadline_h=2.5))
    assert {p.region for p in together.placements} == {"shared"}
    assert together.makespan_h == 2.0


def test_data_goes_where_it_is_quick_to_reach_when_time_is_short():
    def step(name, *places):
        return Request(name, tuple(candidate(usd, region=region) for region, usd in places), hours=1.0)

    far = Egress(
        {},
        0.0001,
        gigabits_per_s=1.0,
        area={"aws/west": "a", "aws/north": "b", "aws/south": "c"},
        gigabits_between={"a>b": 10.0, "a>c": 0.5},
    )
    steps = (step("a", ("west", 1.0)), step("b", ("south", 1.0), ("north", 2.0), ("nowhere", 1.5)))
    problem = Problem(steps, edges=(Edge("a", "b", 450),), egress=far)
    ends = {}
    for deadline in (None, 3.5, 2.2, 2.0):
        plan = optimize(msgspec.structs.replace(problem, deadline_h=deadline))
        ends[deadline] = (plan.placements[1].region, round(plan.makespan_h, 3)) if plan.feasible else None
    assert ends == {None: ("south", 4.0), 3.5: ("nowhere", 3.0), 2.2: ("north", 2.1), 2.0: None}


def test_what_moving_emits_counts_in_the_aim_and_against_the_cap():
    def step(name, *places):
        rows = (msgspec.structs.replace(candidate(usd, region=region), carbon_kg_h=kg) for region, usd, kg in places)
        return Request(name, tuple(rows), hours=1.0)

    dirty = Egress({}, 0.0, kg_per_gb={"aws/west": 0.01})
    steps = (step("a", ("west", 1.0, 0.1)), step("b", ("west", 3.0, 1.0), ("east", 1.0, 0.1)))
    problem = Problem(steps, edges=(Edge("a", "b", 200),), egress=dirty)
    apart, beside = optimize(problem), minimize(problem, parse_aim("carbon"))
    assert (apart.carbon_kg, apart.transfers[0].carbon_kg) == (pytest.approx(2.2), 2.0)
    assert (beside.carbon_kg, beside.transfers[0].carbon_kg) == (pytest.approx(1.1), 0.0)
    capped = optimize(msgspec.structs.replace(problem, limits=Limits(max_carbon_kg=2.0)))
    assert {p.region for p in capped.placements} == {"west"}
    little = msgspec.structs.replace(problem, edges=(Edge("a", "b", 50),))
    assert minimize(little, parse_aim("carbon")).carbon_kg == pytest.approx(0.7)


@pytest.mark.parametrize("weights", [Weights(0, 0, 0), Weights(-1), Weights(float("nan")), Weights(1, 1e9)])
def test_weights_without_a_meaning(weights):
    with pytest.raises(InvalidProblem, match="weights"):
        optimize(one(CHEAP, weights=weights))
