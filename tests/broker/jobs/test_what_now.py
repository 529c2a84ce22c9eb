"""The planner's answer to "what now?", through the door that managed jobs use."""

from __future__ import annotations

import asyncio
import pathlib

import pytest

from tradewind.broker.jobs.planning import CatalogPlanner
from tradewind.broker.jobs.plans import PlanRefused
from tradewind.broker.planner import asked_of, deadline_course, job_problem
from tradewind.broker.store.records import Options
from tradewind.catalog import open_catalog
from tradewind.optimizer.advice import Position, Terms
from tradewind.optimizer.problem import Place
from tradewind.spec import parse_task

OFFERS = """cloud,instance_type,arch,vcpus,memory_gib,region,zone,price_ondemand_usd_h,price_spot_usd_h
aws,big,x86_64,8,32,us-east-1,use1-az1,1.00,0.30
aws,big,x86_64,8,32,us-east-1,use1-az2,1.00,0.40
"""
TERMS = Terms(changeover_h=0.2, rework_h=0.2, step_h=0.1)
REHEARSE = {"rehearse": True, "hours": 10.0}


@pytest.fixture
def planner():
    made = CatalogPlanner()
    yield made
    made.close()


@pytest.fixture
def options(tmp_path: pathlib.Path) -> Options:
    (tmp_path / "offers.csv").write_text(OFFERS)
    return Options(catalog=str(tmp_path / "offers.csv"), **REHEARSE)


def ask(planner, options, text, position, *blocks):
    task = parse_task(text, "t.yaml", "/")
    return asyncio.run(planner.what_now(task, options, position, blocks, TERMS))


def test_with_a_deadline_spot_while_there_is_slack_and_on_demand_in_time(planner, options):
    text = "run: x\nresources: {cpus: 8, use_spot: true}\ndeadline: 20h\n"
    first = ask(planner, options, text, Position())
    assert (first.act, first.plan.placements[0].zone, first.plan.placements[0].use_spot) == ("go", "use1-az1", True)
    assert first.slack_h == pytest.approx(10)
    spot = first.plan.placements[0]
    lost = ask(planner, options, text, Position(2, 0.9), Place("aws", "us-east-1", "use1-az1", use_spot=True))
    assert (lost.act, lost.plan.placements[0].zone) == ("go", "use1-az2")
    assert ask(planner, options, text, Position(2, 0.9, spot)).act == "stay"
    assert ask(planner, options, text, Position(2, 0.9), Place(use_spot=True)).act == "wait"
    late = ask(planner, options, text, Position(11, 0.9))
    assert (late.act, late.plan.placements[0].use_spot) == ("go", False)
    back = ask(planner, options, text, Position(12, 0.2, late.plan.placements[0]))
    assert (back.act, back.plan.placements[0].use_spot) == ("go", True)


def test_without_a_deadline_only_the_markets_that_are_named(planner, options):
    spot_only = "run: x\nresources: {cpus: 8, use_spot: true}\n"
    nothing = ask(planner, options, spot_only, Position(), Place(use_spot=True))
    assert nothing.act == "wait"
    either = "run: x\nresources: {any_of: [{cpus: 8, use_spot: true}, {cpus: 8}]}\n"
    fallen = ask(planner, options, either, Position(), Place(use_spot=True))
    assert not fallen.plan.placements[0].use_spot
    back = ask(planner, options, either, Position(1, 0.9, fallen.plan.placements[0]))
    assert back.plan.placements[0].use_spot
    assert "the move paid for" in back.why


def test_what_nobody_sells_is_refused(planner, options):
    with pytest.raises(PlanRefused):
        ask(planner, options, "run: x\nresources: {instance_type: small}\n", Position())


@pytest.mark.parametrize(
    ("small_h", "least_usd"),
    [
        (20, 6.0),  # to the end on spot, at 0.30
        (40, 19.3 / 30 * 12.0 + 10.7 / 30 * 20.0),  # 19.3 h of slack above the net, 30 h more than the big one takes
    ],
)
def test_the_least_that_a_deadline_costs_counts_the_end_on_demand_of_a_slow_machine(tmp_path, small_h, least_usd):
    header = OFFERS.splitlines()[0]
    small = "aws,small,x86_64,4,16,us-east-1,use1-az1,2.00,0.30"
    big = "aws,big,x86_64,8,32,us-east-1,use1-az1,2.00,"
    (tmp_path / "two.csv").write_text(f"{header}\n{small}\n{big}\n")
    text = f"run: x\nresources: {{use_spot: true}}\nestimates: {{small: {small_h}h, big: 10h}}\ndeadline: 30h\n"
    task = parse_task(text, "t.yaml", "/")
    with open_catalog(str(tmp_path / "two.csv")) as catalog:
        posed = job_problem(task, catalog, wishes=asked_of(task, catalog).wishes)
    course = deadline_course(posed, 30, TERMS)
    assert course is not None
    assert course.first is not None
    assert (course.first.instance_type, course.to.instance_type) == ("small", "big")
    assert course.least_usd == pytest.approx(least_usd)
