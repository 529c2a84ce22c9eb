"""What a candidate costs a request, exactly: whole nano-dollars, whole interruptions per million hours."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from graphlib import TopologicalSorter

import msgspec

from tradewind.optimizer.egress import Site
from tradewind.optimizer.money import NANO_PER_USD, is_charge, is_price, nano_usd
from tradewind.optimizer.preemption import ExpectedRun, expected_run
from tradewind.optimizer.problem import MONEY, Candidate, Edge, Problem, Request

# A spot offer of which no source says how often it is interrupted counts as one of the worst band of the Spot Advisor
# (over 20 % a month, taken as 22.5 %): -ln(1 - 0.225) / 730 h = 3.5e-4 interruptions/hour.
UNKNOWN_RISK_PER_H = 3.5e-4
# What can't be expected to end costs more than anything that can.
ENDLESS_NANO = 10**24
OWN_MACHINES = frozenset({"local", "ssh"})
MG_PER_KG = 1_000_000
MOST_HOURS = 1_000_000  # beyond, a figure is a slip


def is_payable(candidate: Candidate) -> bool:
    """Whether the candidate's figures can be paid; a machine of one's own costs nothing and may say so."""
    own = candidate.offer.cloud in OWN_MACHINES and candidate.hourly_usd == 0
    return (
        (own or is_price(candidate.hourly_usd))
        and is_charge(candidate.once_usd)
        and is_charge(candidate.once_kg)
        and (candidate.hours is None or 0 < candidate.hours <= MOST_HOURS)
    )


def hazard_per_h(candidate: Candidate) -> float:
    """Expected interruptions/hour of one node, by what was seen where something was; 0 on demand."""
    if not candidate.use_spot:
        return 0.0
    if candidate.hazard is not None:
        return candidate.hazard.per_h
    risk = candidate.offer.spot_risk_per_h
    return UNKNOWN_RISK_PER_H if risk is None or not math.isfinite(risk) or risk < 0 else risk


def risk_micro_per_h(candidate: Candidate) -> int:
    """Expected interruptions per million hours of one node; 0 on demand."""
    return round(hazard_per_h(candidate) * 1_000_000)


def work_h(request: Request, candidate: Candidate) -> float:
    """Hours of work, interruptions and checkpoints aside."""
    return request.hours if candidate.hours is None else candidate.hours


def expected(request: Request, candidate: Candidate) -> ExpectedRun | None:
    """The expected course of the request on the candidate; None when the request does not say how it recovers."""
    if request.recovery is None:
        return None
    return expected_run(work_h(request, candidate), hazard_per_h(candidate) * request.num_nodes, request.recovery)


def wall_h(request: Request, candidate: Candidate) -> float:
    """Expected hours from launch to end."""
    run = expected(request, candidate)
    return work_h(request, candidate) if run is None else run.wall_h


def makespan_h(problem: Problem, choice: Sequence[Candidate]) -> float:
    """Expected hours from launch until everything has ended, each task starting when those before it have ended.

    Expectations are added along the longest path, which is a little less than the expected length of the longest path.
    """
    wall = {r.task: wall_h(r, c) for r, c in zip(problem.requests, choice, strict=True)}
    at = {r.task: site_of(c) for r, c in zip(problem.requests, choice, strict=True)} if problem.edges else {}
    moving = {
        (e.source, e.target): problem.egress.hours(at[e.source], at[e.target], e.gigabytes) for e in problem.edges
    }
    return max((wall[task] + before for task, before in _longest_before(problem, wall, moving).items()), default=0.0)


def longest_around(problem: Problem, wall: Mapping[str, float]) -> dict[str, float]:
    """For each task the hours of the longest path through it, itself and the moving of data left out."""
    before = _longest_before(problem, wall, {})
    turned = msgspec.structs.replace(problem, edges=tuple(Edge(e.target, e.source, e.gigabytes) for e in problem.edges))
    after = _longest_before(turned, wall, {})
    return {task: before[task] + after[task] for task in wall}


def _longest_before(
    problem: Problem, wall: Mapping[str, float], moving: Mapping[tuple[str, str], float]
) -> dict[str, float]:
    sources: dict[str, list[str]] = {task: [] for task in wall}
    for edge in problem.edges:
        sources[edge.target].append(edge.source)
    start: dict[str, float] = {}
    for task in TopologicalSorter(sources).static_order():
        start[task] = max(
            (start[other] + wall[other] + moving.get((other, task), 0.0) for other in sources[task]), default=0.0
        )
    return start


def hourly_nano(request: Request, candidate: Candidate) -> int:
    """Nano-dollars an hour for all the request's nodes that are not paid already."""
    return nano_usd(candidate.hourly_usd) * (request.num_nodes - candidate.free_nodes)


def machine_nano(request: Request, candidate: Candidate) -> int:
    """Nano-dollars for all the request's nodes over the hours that are billed."""
    run = expected(request, candidate)
    billed_h = work_h(request, candidate) if run is None else run.billed_h
    return round(hourly_nano(request, candidate) * billed_h) if math.isfinite(billed_h) else ENDLESS_NANO


def total_nano(request: Request, candidate: Candidate) -> int:
    """Nano-dollars for the machines and, once, for moving the request's inputs to them."""
    return machine_nano(request, candidate) + nano_usd(candidate.once_usd)


def carbon_mg(request: Request, candidate: Candidate) -> int:
    """Milligrams of CO2-equivalent over the hours that are billed and, once, for moving the inputs; what no source tells counts as endless."""
    run = expected(request, candidate)
    billed_h = work_h(request, candidate) if run is None else run.billed_h
    kg_h = candidate.carbon_kg_h
    if kg_h is None or not math.isfinite(kg_h) or not math.isfinite(billed_h):
        return ENDLESS_NANO
    return round(kg_h * request.num_nodes * billed_h * MG_PER_KG) + round(candidate.once_kg * MG_PER_KG)


def score_nano(request: Request, candidate: Candidate) -> int:
    """What the candidate counts in the objective, in billionths; nano-dollars where money alone is weighed."""
    weights = request.weights
    money = total_nano(request, candidate)
    if weights == MONEY:
        return money
    score = weights.usd * money
    if weights.kg:
        score += weights.kg * carbon_mg(request, candidate) * (NANO_PER_USD // MG_PER_KG)
    if weights.hour:
        wall = wall_h(request, candidate)
        score += weights.hour * wall * NANO_PER_USD if math.isfinite(wall) else ENDLESS_NANO
    return round(score)


def site_of(candidate: Candidate) -> Site:
    """Where data lies that the candidate writes."""
    return candidate.offer.cloud, candidate.offer.region


def moving_nano(problem: Problem, edge: Edge, source: Site, target: Site) -> int:
    """Nano-dollars to move the edge's data between two regions."""
    return nano_usd(edge.gigabytes * problem.egress.price(source, target))


def moving_mg(problem: Problem, edge: Edge, source: Site, target: Site) -> int:
    """Milligrams of CO2-equivalent to move the edge's data between two regions."""
    return round(problem.egress.kg(source, target, edge.gigabytes) * MG_PER_KG)


def moving_score(problem: Problem, edge: Edge, source: Site, target: Site) -> int:
    """What moving the edge's data between two regions counts in the objective, in billionths."""
    weights, money = problem.weights, moving_nano(problem, edge, source, target)
    if weights == MONEY:
        return money
    score = round(weights.usd * money)
    if weights.kg:
        score += round(weights.kg * moving_mg(problem, edge, source, target) * (NANO_PER_USD // MG_PER_KG))
    return score


def plan_score(problem: Problem, choice: Sequence[Candidate]) -> int:
    """The objective of the whole choice, in billionths; the moving of data counts as the money it costs and what it emits."""
    if problem.weights == MONEY:
        return plan_nano(problem, choice)
    total = sum(score_nano(r, c) for r, c in zip(problem.requests, choice, strict=True))
    return total + _moved(problem, choice, moving_score)


def plan_mg(problem: Problem, choice: Sequence[Candidate]) -> int:
    """Milligrams of CO2-equivalent of the whole choice: machines and moving data."""
    total = sum(carbon_mg(r, c) for r, c in zip(problem.requests, choice, strict=True))
    return total + _moved(problem, choice, moving_mg)


def _moved(problem: Problem, choice: Sequence[Candidate], measure: Callable[[Problem, Edge, Site, Site], int]) -> int:
    """The measure of moving the data of every edge."""
    if not problem.edges:
        return 0
    at = {r.task: site_of(c) for r, c in zip(problem.requests, choice, strict=True)}
    return sum(measure(problem, edge, at[edge.source], at[edge.target]) for edge in problem.edges)


def plan_nano(problem: Problem, choice: Sequence[Candidate]) -> int:
    """Nano-dollars for the whole choice, one candidate a request in the problem's order: machines and moving data."""
    total = sum(total_nano(r, c) for r, c in zip(problem.requests, choice, strict=True))
    return total + _moved(problem, choice, moving_nano)
