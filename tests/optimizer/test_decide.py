"""What a plan says: the choice, the fallbacks in order, the comparison, the proof."""

from __future__ import annotations

import msgspec
import pytest

from tests.optimizer.problems import candidate, offer
from tradewind.optimizer import (
    Candidate,
    InvalidProblem,
    Limits,
    Place,
    Problem,
    Quota,
    Reference,
    Request,
    SolverFailed,
    optimize,
    overview,
)
from tradewind.optimizer.preemption import Recovery
from tradewind.optimizer.rank import MOST_PER_TASK
from tradewind.optimizer.solvers import HighsArrays, Solution


def one(*candidates, **request) -> Problem:
    return Problem((Request("train", candidates, **request),))


def test_cheapest_first_then_every_place_with_its_reason():
    plan = optimize(
        one(
            candidate(0.4, cloud="gcp", region="r2", use_spot=True),
            candidate(0.2, use_spot=True),
            candidate(0.25, use_spot=True, instance_type="medium"),  # the same place as the choice: no fallback
            candidate(0.236, use_spot=True, zone="z2"),
            candidate(0.62, cloud="lambda", region="r3"),
            num_nodes=2,
            hours=3,
        )
    )
    assert plan.feasible
    assert plan.hourly_usd == 0.4
    assert plan.total_usd == 1.2
    assert [(c.cloud, c.zone, c.hourly_usd, c.reason) for c in plan.candidates] == [
        ("aws", "z1", 0.4, ""),
        ("aws", "z2", 0.472, "0.072 USD/h dearer (+18%)"),
        ("gcp", "z1", 0.8, "0.4 USD/h dearer (2.0x)"),
        ("lambda", "z1", 1.24, "on demand costs 3.1x (0.84 USD/h dearer)"),
    ]
    certificate = plan.certificate
    assert (certificate.objective, certificate.bound, certificate.gap) == (1.2, 1.2, 0.0)
    assert certificate.solver == "comparison"
    assert (certificate.columns, certificate.rows) == (4, 1)
    assert plan.offers_considered == 5


def test_ties_go_to_lower_risk_then_to_names():
    plan = optimize(
        one(
            candidate(1.0, use_spot=True, region="r1", spot_risk_per_h=3e-4),
            candidate(1.0, use_spot=True, region="r3", spot_risk_per_h=1e-4),
            candidate(1.0, use_spot=True, region="r2", spot_risk_per_h=1e-4),
        )
    )
    assert [(c.region, c.reason) for c in plan.candidates] == [
        ("r2", ""),
        ("r3", "the same price and risk; the choice comes first by name"),
        ("r1", "the same price, with a higher risk of interruption"),
    ]


def test_fallbacks_are_capped_but_hold_the_best_of_every_cloud():
    many = [candidate(1 + i / 100, region=f"r{i:03}") for i in range(80)]
    plan = optimize(one(*many, candidate(9.0, cloud="gcp"), candidate(8.0, cloud="gcp", zone="z2")))
    assert len(plan.candidates) == MOST_PER_TASK + 1
    assert [c.hourly_usd for c in plan.candidates] == sorted(c.hourly_usd for c in plan.candidates)
    assert (plan.candidates[-1].cloud, plan.candidates[-1].hourly_usd) == ("gcp", 8.0)


def test_a_lost_zone_is_planned_around_and_a_regional_offer_survives_a_zone_block():
    zonal, regional = candidate(0.1, zone="z1"), candidate(0.2, zone="")
    problem = one(zonal, regional)
    block = Place("aws", "r1", "z1")
    plan = optimize(Problem(problem.requests, Limits(blocks=(block,))))
    assert plan.placements[0].zone == ""
    assert [r.reason for r in plan.references] == ["it is blocked; 0.1 USD/h cheaper (-50%)"]


def test_quota_moves_the_request_that_loses_least():
    def request(name, other):
        return Request(name, (candidate(1.0), candidate(other, cloud="gcp")), num_nodes=2)

    quota = Quota(Place(cloud="aws"), 3)
    plan = optimize(Problem((request("a", 1.5), request("b", 1.2)), Limits(quotas=(quota,))))
    assert [(p.task, p.cloud) for p in plan.placements] == [("a", "aws"), ("b", "gcp")]
    cheaper = next(c for c in plan.candidates if c.task == "b" and c.cloud == "aws")
    assert "break a limit" in cheaper.reason


def test_a_cap_is_exact_to_the_cent():
    requests = (Request("a", (candidate(0.1),)), Request("b", (candidate(0.2),)))
    assert 0.1 + 0.2 > 0.3  # as floats
    assert optimize(Problem(requests, Limits(max_hourly_usd=0.3))).feasible
    assert not optimize(Problem(requests, Limits(max_hourly_usd=0.2999))).feasible


def test_page_shows_each_clouds_best_and_spot_against_on_demand():
    machine = offer(ondemand=0.5, spot=0.1)
    ondemand = Candidate(offer(cloud="gcp", ondemand=0.3), use_spot=False, hourly_usd=0.3)
    elsewhere = Candidate(offer(cloud="lambda", ondemand=0.05), use_spot=False, hourly_usd=0.05)
    plan = optimize(
        one(
            Candidate(machine, use_spot=True, hourly_usd=0.1),
            references=(Reference(ondemand, "on demand"), Reference(elsewhere, "no credentials for lambda here")),
        )
    )
    page = overview(plan).tasks[0]
    assert page.chosen == plan.placements[0]
    assert [(c.cloud, c.reason) for c in page.clouds] == [
        ("aws", ""),
        ("lambda", "no credentials for lambda here; 0.05 USD/h cheaper (-50%)"),
        ("gcp", "on demand; 0.2 USD/h dearer (3.0x)"),
    ]
    assert (page.spot_usd_h, page.ondemand_usd_h, page.same_machine_ondemand_usd_h) == (0.1, 0.05, 0.5)


class TestNoPlan:
    def test_names_the_cap_and_the_nearest(self):
        plan = optimize(Problem(one(candidate(0.5), candidate(0.4)).requests, Limits(max_hourly_usd=0.1)))
        assert not plan.feasible
        assert plan.placements == plan.candidates == ()
        assert "none of its 2 candidates can be bought: 2 because it is over the price cap" in plan.why_infeasible[0]
        assert "at 0.4 USD/h" in plan.why_infeasible[0]
        assert plan.conflicts[0].limit == "max_hourly_usd 0.1"
        assert plan.conflicts[0].hourly_usd == 0.4

    def test_finds_the_smallest_conflict_and_prices_each_way_out(self):
        requests = (
            Request("a", (candidate(1.0), candidate(5.0, cloud="gcp"))),
            Request("b", (candidate(1.0), candidate(4.0, cloud="gcp"))),
        )
        limits = Limits(max_hourly_usd=4.5, quotas=(Quota(Place(cloud="aws"), 1), Quota(Place(cloud="lambda"), 9)))
        plan = optimize(Problem(requests, limits))
        assert not plan.feasible
        assert {(c.limit, c.hourly_usd) for c in plan.conflicts} == {
            ("max_hourly_usd 4.5", 5.0),
            ("the quota of 1 nodes at aws/*/*/*", 2.0),
        }

    def test_repeats_what_the_maker_knows(self):
        plan = optimize(one(why_no_candidates=("no offer has 7 A100; counts sold: 1, 2, 4, 8, 16",)))
        assert plan.why_infeasible == ("no offer has 7 A100; counts sold: 1, 2, 4, 8, 16",)

    def test_bad_prices_are_no_candidates(self):
        plan = optimize(one(*(candidate(p) for p in (0.0, -1.0, float("nan"), float("inf")))))
        assert not plan.feasible
        assert "its price is missing, zero or no number" in plan.why_infeasible[0]


class Broken:
    name = "Broken"

    def solve(self, program, time_limit_s):
        raise SolverFailed(self.name, "it crashed")


class OutOfTime:
    name = "Hasty"

    def __init__(self, chosen=()):
        self.chosen = chosen

    def solve(self, program, time_limit_s):
        return Solution("feasible" if self.chosen else "unknown", self.chosen, 0.9 * 1000, self.name)


def two_for_one() -> Problem:
    """Two tasks of which one may have the cheaper place: nothing that comparing alone could settle."""
    both = (candidate(1.0), candidate(1.5, region="r2"))
    return Problem((Request("a", both), Request("b", both)), Limits(quotas=(Quota(Place(region="r1"), 1),)))


class TestSolvers:
    def test_what_nothing_couples_needs_none(self):
        plan = optimize(one(candidate(1.0), candidate(0.5, region="r2")), solvers=[])
        assert (plan.total_usd, plan.certificate.gap, plan.certificate.solver) == (0.5, 0.0, "comparison")

    def test_a_crash_is_answered_by_the_next_and_said(self):
        plan = optimize(two_for_one(), solvers=[Broken(), HighsArrays()])
        assert plan.feasible
        assert plan.certificate.solver == "HiGHS (after Broken failed)"

    def test_all_failing_is_an_error(self):
        with pytest.raises(SolverFailed, match="it crashed"):
            optimize(two_for_one(), solvers=[Broken()])

    def test_out_of_time_gives_the_proven_gap(self):
        plan = optimize(two_for_one(), solvers=[OutOfTime((0, 3))])
        assert plan.feasible
        assert plan.certificate.gap == pytest.approx((2.5 - 0.9 * 2.0) / 2.5)

    def test_out_of_time_with_nothing_is_not_called_infeasible(self):
        plan = optimize(two_for_one(), solvers=[OutOfTime()])
        assert not plan.feasible
        assert "allow the solver more time" in plan.why_infeasible[0]


class TestInvalid:
    @pytest.mark.parametrize(
        "problem",
        [
            one(candidate(), num_nodes=0),
            one(candidate(), hours=float("nan")),
            one(candidate(), hours=0.0),
            Problem((Request("a", ()), Request("a", ()))),
            Problem((), Limits(max_hourly_usd=float("nan"))),
        ],
    )
    def test_is_refused(self, problem):
        with pytest.raises(InvalidProblem):
            optimize(problem)

    def test_nothing_asked_costs_nothing(self):
        plan = optimize(Problem(()))
        assert plan.feasible
        assert plan.hourly_usd == 0


def test_a_hundred_thousand_offers_of_one_type():
    plan = optimize(one(*(candidate(1 + (i * 7919 % 100_000) / 1e5, region=f"r{i % 40}") for i in range(100_000))))
    assert plan.hourly_usd == 1.0
    assert plan.certificate.columns <= 40


class TestRecovery:
    recovery = Recovery(checkpoint_interval_h=1.0, checkpoint_h=0.05, restart_h=0.1, downtime_h=0.2)

    def test_on_demand_beats_spot_that_is_taken_too_often(self):
        often = candidate(0.5, use_spot=True, spot_risk_per_h=2.0)
        steady = candidate(0.9, cloud="gcp")
        plain = optimize(one(often, steady, hours=10))
        counted = optimize(one(often, steady, hours=10, recovery=self.recovery))
        assert plain.placements[0].use_spot
        assert not counted.placements[0].use_spot
        assert counted.total_usd == pytest.approx(0.9 * (0.1 + 10 + 9 * 0.05))
        assert counted.candidates[1].reason.endswith("USD more is expected (2.3x)")

    def test_the_bill_is_the_expected_one_and_says_what_it_rests_on(self):
        plan = optimize(one(candidate(0.5, use_spot=True, spot_risk_per_h=0.1), hours=10, recovery=self.recovery))
        run = plan.placements[0].expected
        assert run.interruptions > 0
        assert plan.total_usd == pytest.approx(0.5 * run.billed_h)
        assert run.wall_h == pytest.approx(run.billed_h + 0.2 * run.interruptions)

    def test_a_deadline_rules_out_what_is_expected_to_be_late(self):
        slow = candidate(0.1, use_spot=True, spot_risk_per_h=0.5)
        sure = candidate(0.9, cloud="gcp")
        plan = optimize(one(slow, sure, hours=10, recovery=self.recovery, deadline_h=11))
        assert plan.placements[0].cloud == "gcp"
        assert "not expected to end by the deadline" in plan.references[0].reason

    def test_endless_is_never_chosen(self):
        plan = optimize(one(candidate(0.1, use_spot=True, spot_risk_per_h=1e6), hours=10, recovery=self.recovery))
        assert not plan.feasible


def test_quotas_count_vcpus_and_accelerators_too():
    wide = candidate(1.0, vcpus=96)
    narrow = candidate(2.0, cloud="gcp", vcpus=8, accelerator="T4", accelerator_count=2)
    requests = (Request("a", (wide, narrow), num_nodes=2),)

    def cloud(quota):
        return optimize(Problem(requests, Limits(quotas=(quota,)))).placements[0].cloud

    assert cloud(Quota(Place(cloud="aws"), 192, "vcpus")) == "aws"
    assert cloud(Quota(Place(cloud="aws"), 191, "vcpus")) == "gcp"
    assert cloud(Quota(Place(), 0, "accelerators")) == "aws"
    plan = optimize(Problem(requests, Limits(quotas=(Quota(Place(), 100, "vcpus"), Quota(Place(), 3, "accelerators")))))
    assert {c.limit for c in plan.conflicts} == {
        "the quota of 100 vCPUs at */*/*/*",
        "the quota of 3 accelerators at */*/*/*",
    }


class TestAbsurdFigures:
    """Whatever a file or a person puts in, the answer is a plan, a reason or a refusal; never a crash."""

    @pytest.mark.parametrize("cap", [1e300, 1e18, 5e-324, 0.0, -1.0])
    def test_caps(self, cap):
        for field in ("max_hourly_usd", "max_total_usd"):
            plan = optimize(Problem(one(candidate(1.0)).requests, Limits(**{field: cap})))
            assert plan.feasible == (cap >= 1)

    @pytest.mark.parametrize("limit", [10**400, 2**63, 0, -1, -(10**400)])
    def test_quotas(self, limit):
        plan = optimize(Problem(one(candidate(1.0)).requests, Limits(quotas=(Quota(Place(), limit),))))
        assert plan.feasible == (limit > 0)

    def test_prices(self):
        plan = optimize(one(*(candidate(p) for p in (1e308, 1e13, 5e-324, 1.0))))
        assert plan.hourly_usd in {0.0, 1.0}
        assert optimize(one(candidate(1e12), num_nodes=1000, hours=1000)).total_usd == 1e18
        assert not optimize(one(msgspec.structs.replace(candidate(1.0), once_usd=float("nan")))).feasible

    @pytest.mark.parametrize("request_", [{"num_nodes": 10**400}, {"hours": 1e300}, {"deadline_h": -1.0}])
    def test_requests_are_refused(self, request_):
        with pytest.raises(InvalidProblem):
            optimize(one(candidate(), **request_))

    def test_prices_far_apart_are_still_told_apart(self):
        requests = (
            Request("a", (candidate(1e6), candidate(1e6 + 0.01, cloud="gcp"))),
            Request("b", (candidate(1e-6),)),
        )
        assert optimize(Problem(requests)).placements[0].cloud == "aws"

    def test_duplicates_are_one(self):
        plan = optimize(one(*[candidate(1.0)] * 50))
        assert len(plan.candidates) == 1
