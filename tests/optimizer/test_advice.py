"""What a job should hold now: in time whatever the market does, back to spot when it pays, and no machine given up for nothing."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.optimizer.problems import candidate, offer, random_problem
from tradewind.optimizer import (
    Candidate,
    InvalidProblem,
    Limits,
    Place,
    Position,
    Problem,
    Request,
    Terms,
    advise,
    optimize,
)

OFFER = offer(ondemand=1.0, spot=0.3)
ELSEWHERE = offer(ondemand=1.0, spot=0.4, region="r2")
SPOT, ON_DEMAND = Candidate(OFFER, True, 0.3), Candidate(OFFER, False, 1.0)
AWAY = Candidate(ELSEWHERE, True, 0.4)
NO_SPOT = Limits(blocks=(Place(use_spot=True),))
TERMS = Terms(changeover_h=0.2, rework_h=0.2, step_h=0.1)


def job(*candidates: Candidate, hours=10.0, limits=Limits()) -> Problem:  # noqa: B008  a frozen value
    return Problem((Request("train", candidates or (SPOT, AWAY, ON_DEMAND), hours=hours),), limits)


def held(problem: Problem, use_spot: bool):
    only = tuple(c for c in problem.requests[0].candidates if c.use_spot == use_spot)
    return advise(job(*only)).plan.placements[0]


def test_with_slack_it_is_spot_and_without_it_on_demand_for_good():
    assert advise(job(), terms=TERMS, deadline_h=20).plan.placements[0].use_spot
    late = advise(job(), Position(elapsed_h=11, left=0.9), TERMS, deadline_h=20)
    assert (late.act, late.plan.placements[0].use_spot) == ("go", False)
    assert late.slack_h == pytest.approx(0.0)
    assert "to end in time" in late.why
    kept = advise(job(), Position(11, 0.9, held(job(), use_spot=False)), TERMS, deadline_h=20)
    assert kept.act == "stay"


def test_it_waits_for_spot_only_where_some_is_sold_and_there_is_time():
    waits = advise(job(limits=NO_SPOT), terms=TERMS, deadline_h=20)
    assert (waits.act, waits.plan) == ("wait", None)
    assert waits.on_demand_by_h == pytest.approx(10 - 0.7)
    unsold = advise(job(ON_DEMAND), terms=TERMS, deadline_h=20)
    assert (unsold.act, unsold.why) == (
        "go",
        "no spot machine is cheaper; small at aws/r1/z1 is the cheapest (on demand)",
    )
    dear = msgspec.structs.replace(SPOT, hourly_usd=1.2)
    assert not advise(job(dear, ON_DEMAND), terms=TERMS, deadline_h=20).plan.placements[0].use_spot


def test_it_goes_back_to_spot_when_that_pays_with_a_deadline_and_without():
    on_demand = held(job(), use_spot=False)
    for deadline in (20.0, None):
        back = advise(job(), Position(1.0, 0.9, on_demand), TERMS, deadline_h=deadline)
        assert (back.act, back.plan.placements[0].use_spot) == ("go", True), deadline
    nearly_done = advise(job(), Position(9.9, 0.01, on_demand), TERMS)
    assert (nearly_done.act, nearly_done.plan) == ("stay", None)
    assert "nothing else is cheaper once the move is paid for" in nearly_done.why


def test_a_machine_in_hand_is_not_given_up_because_another_was_lost_beside_it():
    spot = held(job(), use_spot=True)
    beside = Limits(blocks=(Place("aws", "r1", "z1", "", use_spot=True),))
    for deadline in (20.0, None):
        assert advise(job(limits=beside), Position(1.0, 0.9, spot), TERMS, deadline_h=deadline).act == "stay", deadline
    assert advise(job(limits=beside), Position(1.0, 0.9), TERMS).plan.placements[0].region == "r2"
    assert (
        advise(job(AWAY, ON_DEMAND), Position(1.0, 0.9, spot), TERMS, deadline_h=20).act == "stay"
    )  # no longer listed


def test_spot_that_cannot_end_in_time_is_taken_only_where_no_quicker_one_saves():
    slow = msgspec.structs.replace(AWAY, hourly_usd=0.05, hours=30.0)
    first = advise(job(slow, SPOT, ON_DEMAND), terms=TERMS, deadline_h=20).plan.placements[0]
    assert (first.region, first.hours) == ("r1", 10)
    assert advise(job(slow, SPOT, ON_DEMAND), terms=TERMS).plan.placements[0].region == "r2"  # no deadline
    dear = msgspec.structs.replace(SPOT, hourly_usd=1.2)
    for others in ((ON_DEMAND,), (dear, ON_DEMAND)):
        assert advise(job(slow, *others), terms=TERMS, deadline_h=20).plan.placements[0].region == "r2", others
    in_hand = advise(job(slow)).plan.placements[0]
    assert advise(job(slow, SPOT, ON_DEMAND), Position(1.0, 0.9, in_hand), TERMS, deadline_h=20).act == "stay"


def test_without_on_demand_the_deadline_is_said_to_be_uncertain():
    told = advise(job(SPOT), terms=TERMS, deadline_h=20)
    assert told.act == "go"
    assert told.why.startswith("no machine on demand can be had now, so that the deadline is not certain; ")
    nowhere = advise(job(limits=Limits(blocks=(Place(),))), terms=TERMS, deadline_h=20)
    assert nowhere.act == "wait"


def test_a_deadline_that_cannot_be_met_is_said():
    told = advise(job(), Position(elapsed_h=15), TERMS, deadline_h=20)
    assert "5 h after the deadline even on demand" in told.why
    assert not told.plan.placements[0].use_spot


@pytest.mark.parametrize(
    "position", [Position(left=0), Position(left=1.5), Position(elapsed_h=-1), Position(left=float("nan"))]
)
def test_a_position_without_a_meaning_is_refused(position):
    with pytest.raises(InvalidProblem, match="of its work left"):
        advise(job(), position)


def test_advice_is_for_one_job():
    two = Problem((Request("a", (candidate(),)), Request("b", (candidate(),))))
    with pytest.raises(InvalidProblem, match="2 requests"):
        advise(two)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 2**32),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, 0.1, 5.0, 50.0]),
    st.sampled_from([1.0, 0.5, 0.01]),
)
def test_whatever_is_asked_there_is_an_answer_that_can_be_carried_out(seed, holds, unlisted, deadline, left):
    problem = random_problem(seed, max_requests=1)
    before = optimize(problem)
    held = before.placements[0] if holds and before.feasible else None
    request = problem.requests[0]
    if unlisted and len(request.candidates) > 1:
        request = msgspec.structs.replace(request, candidates=request.candidates[1:])
        problem = msgspec.structs.replace(problem, requests=(request,))
    told = advise(problem, Position(1.0, left, held), TERMS, deadline_h=deadline)
    assert told.why
    assert (told.act == "go") == (told.plan is not None)
    assert told.plan is None or told.plan.feasible
    assert (held is None) if told.act == "wait" else True
    assert (held is not None) if told.act == "stay" else True


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 40), st.sets(st.sampled_from(["r1", "r2"]))), max_size=8),
    st.floats(1, 4),
    st.floats(0.2, 2),
)
def test_followed_at_every_tick_it_ends_in_time_whatever_the_market_does(spells, work_h, slack_h):
    """The shell that a broker is, in a few lines: it asks, buys, loses machines to the market, and pays for changes with time."""
    market = [regions for length, regions in spells for _ in range(length)]
    deadline_h = work_h + TERMS.changeover_h + TERMS.step_h + slack_h
    done = safe = ready_in = 0.0
    holding = None
    for step in range(int(deadline_h / TERMS.step_h) + 2):
        there = market[step] if step < len(market) else set()
        if holding is not None and holding.use_spot and holding.region not in there:
            holding, done = None, safe
        gone = tuple(Place(region=region, use_spot=True) for region in ("r1", "r2") if region not in there)
        position = Position(step * TERMS.step_h, max(1 - done / work_h, 1e-9), holding)
        advice = advise(job(hours=work_h, limits=Limits(blocks=gone)), position, TERMS, deadline_h=deadline_h)
        if advice.act == "go":
            holding, ready_in, safe = advice.plan.placements[0], TERMS.changeover_h, done
            assert not (holding.use_spot and holding.region not in there)
        elif advice.act == "wait":
            holding = None
        if holding is not None:
            done += max(TERMS.step_h - ready_in, 0.0)
            ready_in = max(ready_in - TERMS.step_h, 0.0)
            safe = max(safe, done - TERMS.rework_h)
        if done >= work_h - 1e-9:
            ended = (step + 1) * TERMS.step_h - (done - work_h)
            assert ended <= deadline_h + 1e-6
            return
    pytest.fail("it has not ended by its deadline")
