"""optimize(problem) -> plan: prune, solve, settle ties, rank, explain. A pure function; the clock is an argument."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tradewind.optimizer.check import canonical
from tradewind.optimizer.compare import compared
from tradewind.optimizer.conflicts import find_conflicts
from tradewind.optimizer.cost import (
    MG_PER_KG,
    carbon_mg,
    expected,
    hourly_nano,
    makespan_h,
    moving_mg,
    moving_nano,
    plan_mg,
    plan_nano,
    site_of,
    total_nano,
    work_h,
)
from tradewind.optimizer.infeasible import why_infeasible
from tradewind.optimizer.money import usd
from tradewind.optimizer.ordered import search_in_order
from tradewind.optimizer.plan import Certificate, Placement, Plan, Transfer
from tradewind.optimizer.problem import Candidate, Problem, Request, Weights
from tradewind.optimizer.prune import Pool, usable
from tradewind.optimizer.rank import ranked_candidates
from tradewind.optimizer.search import Found
from tradewind.optimizer.solvers import DEFAULT_SOLVERS, Solver

Clock = Callable[[], float]


def no_clock() -> float:
    """A clock that stands still: plans made with it compare equal byte for byte."""
    return 0.0


def optimize(problem: Problem, *, clock: Clock = no_clock, solvers: Sequence[Solver] = DEFAULT_SOLVERS) -> Plan:
    """The cheapest plan for the whole problem with its proof, or a plan with `feasible` False that says why there is none.

    Costs are USD over each request's hours. Ties go to the lower risk of interruption, then by name, so that the plan depends on the
    problem's content alone. When the time limit ends the search the best plan found is returned and `certificate.gap` is above 0.

    Raises InvalidProblem for values without a meaning and SolverFailed when every solver failed.
    """
    started = clock()
    problem = canonical(problem)
    alive = usable(problem)
    found = search_in_order(problem, alive, solvers)
    if problem.requests and not found.choice:
        return _no_plan(problem, alive, found, solvers, clock() - started)
    pairs = list(zip(problem.requests, found.choice, strict=True))
    return Plan(
        feasible=True,
        hourly_usd=usd(sum(hourly_nano(r, c) for r, c in pairs)),
        total_usd=usd(plan_nano(problem, found.choice)),
        placements=tuple(_placement(r, c) for r, c in pairs),
        candidates=ranked_candidates(problem, alive, found.choice),
        certificate=_certificate(found, clock() - started),
        offers_considered=_considered(problem),
        defaults_applied=problem.defaults_applied,
        references=compared(problem, alive, found.choice),
        transfers=_transfers(problem, found.choice),
        makespan_h=makespan_h(problem, found.choice),
        carbon_kg=None
        if any(c.carbon_kg_h is None for c in found.choice)
        else plan_mg(problem, found.choice) / MG_PER_KG,
        minimized=name_of(problem.weights),
    )


def name_of(weights: Weights) -> str:
    """What is minimised, as a person writes it: `cost`, `cost+0.1*carbon`."""
    parts = ((weights.usd, "cost"), (weights.kg, "carbon"), (weights.hour, "time"))
    return "+".join(name if weight == 1 else f"{weight:g}*{name}" for weight, name in parts if weight)


def _transfers(problem: Problem, choice: Sequence[Candidate]) -> tuple[Transfer, ...]:
    at = {r.task: site_of(c) for r, c in zip(problem.requests, choice, strict=True)}
    return tuple(
        Transfer(
            e.source,
            e.target,
            e.gigabytes,
            usd(moving_nano(problem, e, at[e.source], at[e.target])),
            problem.egress.hours(at[e.source], at[e.target], e.gigabytes),
            moving_mg(problem, e, at[e.source], at[e.target]) / MG_PER_KG if problem.egress.kg_per_gb else None,
        )
        for e in problem.edges
    )


def _no_plan(problem: Problem, alive: Pool, found: Found, solvers: Sequence[Solver], seconds: float) -> Plan:
    conflicts = find_conflicts(problem, solvers) if found.proven_infeasible else ()
    return Plan(
        feasible=False,
        hourly_usd=0.0,
        total_usd=0.0,
        placements=(),
        candidates=(),
        certificate=_certificate(found, seconds),
        offers_considered=_considered(problem),
        defaults_applied=problem.defaults_applied,
        why_infeasible=why_infeasible(problem, alive, found, conflicts),
        references=compared(problem, alive, ()),
        conflicts=conflicts,
    )


def _considered(problem: Problem) -> int:
    if problem.offers_considered is not None:
        return problem.offers_considered
    return sum(len(request.candidates) for request in problem.requests)


def _placement(request: Request, candidate: Candidate) -> Placement:
    offer = candidate.offer
    return Placement(
        task=request.task,
        cloud=offer.cloud,
        region=offer.region,
        zone=offer.zone,
        instance_type=offer.instance_type,
        use_spot=candidate.use_spot,
        num_nodes=request.num_nodes,
        hourly_usd=usd(hourly_nano(request, candidate)),
        total_usd=usd(total_nano(request, candidate)),
        hours=work_h(request, candidate),
        offer=offer,
        alternative=candidate.alternative,
        expected=expected(request, candidate),
        carbon_kg=None if candidate.carbon_kg_h is None else carbon_mg(request, candidate) / MG_PER_KG,
        reservation=candidate.reservation,
        free_nodes=candidate.free_nodes,
        spread=candidate.spread,
        hazard=candidate.hazard,
    )


def _certificate(found: Found, seconds: float) -> Certificate:
    return Certificate(
        objective=found.objective_usd,
        bound=found.bound_usd,
        gap=(found.objective_usd - found.bound_usd) / found.objective_usd if found.objective_usd else 0.0,
        seconds=seconds,
        solver=found.solver,
        columns=found.columns,
        rows=found.rows,
    )
