"""What a candidate costs a request, exactly: whole nano-dollars, whole interruptions per million hours."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tradewind.optimizer.egress import Site
from tradewind.optimizer.money import is_charge, is_price, nano_usd
from tradewind.optimizer.preemption import ExpectedRun, expected_run
from tradewind.optimizer.problem import Candidate, Edge, Problem, Request

# A spot offer of which no source says how often it is interrupted counts as one of the worst band of the Spot Advisor
# (over 20 % a month, taken as 22.5 %): -ln(1 - 0.225) / 730 h = 3.5e-4 interruptions/hour.
UNKNOWN_RISK_PER_H = 3.5e-4
# What can't be expected to end costs more than anything that can.
ENDLESS_NANO = 10**24
OWN_MACHINE = "local"


def is_payable(candidate: Candidate) -> bool:
    """Whether the candidate's figures can be paid; a machine of one's own costs nothing and may say so."""
    own = candidate.offer.cloud == OWN_MACHINE and candidate.hourly_usd == 0
    return (own or is_price(candidate.hourly_usd)) and is_charge(candidate.once_usd)


def hazard_per_h(candidate: Candidate) -> float:
    """Expected interruptions/hour of one node; 0 on demand."""
    if not candidate.use_spot:
        return 0.0
    risk = candidate.offer.spot_risk_per_h
    return UNKNOWN_RISK_PER_H if risk is None or not math.isfinite(risk) or risk < 0 else risk


def risk_micro_per_h(candidate: Candidate) -> int:
    """Expected interruptions per million hours of one node; 0 on demand."""
    return round(hazard_per_h(candidate) * 1_000_000)


def expected(request: Request, candidate: Candidate) -> ExpectedRun | None:
    """The expected course of the request on the candidate; None when the request does not say how it recovers."""
    if request.recovery is None:
        return None
    return expected_run(request.hours, hazard_per_h(candidate) * request.num_nodes, request.recovery)


def wall_h(request: Request, candidate: Candidate) -> float:
    """Expected hours from launch to end."""
    run = expected(request, candidate)
    return request.hours if run is None else run.wall_h


def hourly_nano(request: Request, candidate: Candidate) -> int:
    """Nano-dollars an hour for all the request's nodes."""
    return nano_usd(candidate.hourly_usd) * request.num_nodes


def machine_nano(request: Request, candidate: Candidate) -> int:
    """Nano-dollars for all the request's nodes over the hours that are billed."""
    run = expected(request, candidate)
    billed_h = request.hours if run is None else run.billed_h
    return round(hourly_nano(request, candidate) * billed_h) if math.isfinite(billed_h) else ENDLESS_NANO


def total_nano(request: Request, candidate: Candidate) -> int:
    """Nano-dollars for the machines and, once, for moving the request's inputs to them."""
    return machine_nano(request, candidate) + nano_usd(candidate.once_usd)


def site_of(candidate: Candidate) -> Site:
    """Where data lies that the candidate writes."""
    return candidate.offer.cloud, candidate.offer.region


def moving_nano(problem: Problem, edge: Edge, source: Candidate, target: Candidate) -> int:
    """Nano-dollars to move the edge's data between two candidates."""
    return nano_usd(edge.gigabytes * problem.egress.price(site_of(source), site_of(target)))


def plan_nano(problem: Problem, choice: Sequence[Candidate]) -> int:
    """Nano-dollars for the whole choice, one candidate a request in the problem's order: machines and moving data."""
    total = sum(total_nano(r, c) for r, c in zip(problem.requests, choice, strict=True))
    if problem.edges:
        at = {r.task: c for r, c in zip(problem.requests, choice, strict=True)}
        total += sum(moving_nano(problem, edge, at[edge.source], at[edge.target]) for edge in problem.edges)
    return total
