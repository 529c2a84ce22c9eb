"""What a job should hold now: one pure decision that whoever runs the job asks for at every tick, after a loss and when prices change.

Without a deadline it is `replan`: from where the job stands, with the price of a move and a margin, so that a job that fell back to on demand
goes back to spot when that pays, and not for a saving that the move eats up. With a deadline the market comes first, by the policy of
`mixing.ours`: spot while there is slack to lose, on demand early enough to end in time, nothing while waiting costs nothing; within the
market it is `replan` again, as long as there is slack for a move.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from tradewind.optimizer.check import canonical
from tradewind.optimizer.cost import ENDLESS_NANO, is_payable, total_nano, wall_h
from tradewind.optimizer.decide import optimize
from tradewind.optimizer.errors import InvalidProblem
from tradewind.optimizer.limits import is_blocked
from tradewind.optimizer.mixing import Mix, On, Standing, ours, slack_h
from tradewind.optimizer.money import nano_usd
from tradewind.optimizer.plan import Placement, Plan
from tradewind.optimizer.problem import Candidate, Problem
from tradewind.optimizer.replan import Moving, replan

Act = Literal["stay", "go", "wait"]


class Position(msgspec.Struct, frozen=True):
    """Where a job stands: hours since its launch, the share of its work that is left (1 at the start, what a loss would undo counted as
    left), and the placement it holds (None: nothing).
    """

    elapsed_h: float = 0.0
    left: float = 1.0
    held: Placement | None = None


class Terms(msgspec.Struct, frozen=True):
    """What a change of machine takes. `changeover_h` hours from buying a machine until the work goes on, `rework_h` the most hours of work that a
    loss undoes (the checkpoint interval), `step_h` the longest time until `advise` is asked again, `margin` the share of what staying
    costs that a move must save beyond its own price.
    """

    changeover_h: float = 0.1
    rework_h: float = 0.0
    step_h: float = 1 / 60
    margin: float = 0.05


class Advice(msgspec.Struct, frozen=True):
    """`go`: buy what `plan` says (its candidates are the fallbacks) and leave what is held; `stay`: keep what is held; `wait`: hold nothing now.

    `why` says so in a sentence. `slack_h` is the time to the deadline less the work that is left on demand (None without a deadline), and
    `on_demand_by_h` the hours since launch at which on demand must be bought at the latest, as things stand.
    """

    act: Act
    plan: Plan | None
    why: str
    slack_h: float | None = None
    on_demand_by_h: float | None = None


def advise(
    problem: Problem,
    position: Position = Position(),  # noqa: B008  a frozen value
    terms: Terms = Terms(),  # noqa: B008  a frozen value
    *,
    deadline_h: float | None = None,
) -> Advice:
    """What the job should hold from now on.

    The problem is the whole job's: one request with today's candidates in every market that it may buy in, places that were lost or that
    refused among the limits' blocks. `deadline_h` counts from the launch and is met whenever machines on demand can be had and `advise` is asked
    at least every `step_h` hours; the problem's own deadlines are left aside. A held machine that was lost is no longer `held`.

    Raises InvalidProblem for other than one request or a position without a meaning, and as `optimize` does.
    """
    _check(problem, position)
    rest = _rest(_with_held(problem, position.held), position.left)
    if deadline_h is None:
        return _by_price(rest, position, terms)
    on_demand = optimize(_only(rest, use_spot=False))
    if not on_demand.feasible:
        told = _by_price(rest, position, terms)
        return msgspec.structs.replace(
            told, why=f"no machine on demand can be had now, so that the deadline is not certain; {told.why}"
        )
    quick = _in_time(rest, deadline_h - position.elapsed_h, position.held)
    spot = optimize(_only(quick, use_spot=True))
    if quick is not rest and not (spot.feasible and spot.total_usd < on_demand.total_usd):
        quick, spot = rest, optimize(_only(rest, use_spot=True))
    return _by_deadline(problem, quick, position, terms, deadline_h, on_demand, spot)


def _check(problem: Problem, position: Position) -> None:
    if len(problem.requests) != 1:
        raise InvalidProblem(f"advice is for one job, and the problem has {len(problem.requests)} requests")
    if not 0 < position.left <= 1 or not position.elapsed_h >= 0:
        raise InvalidProblem(
            f"the job stands {position.elapsed_h} h after its launch with {position.left} of its work left; give hours from 0 and a share above 0, at most 1"
        )


def _with_held(problem: Problem, held: Placement | None) -> Problem:
    """The problem with blocks carried out, and what is held spared: it is there, whatever happened to others at its place."""
    request, limits = problem.requests[0], problem.limits
    row = [c for c in request.candidates if _is_held(c, held) or not is_blocked(limits, c)]
    if held is not None and not any(_is_held(c, held) for c in row):
        price = held.hourly_usd / max(held.num_nodes - held.free_nodes, 1)
        row.append(Candidate(held.offer, held.use_spot, price, held.alternative, spread=held.spread))
    limits = msgspec.structs.replace(limits, blocks=())
    request = msgspec.structs.replace(request, candidates=tuple(row))
    return msgspec.structs.replace(problem, requests=(request,), limits=limits)


def _is_held(candidate: Candidate, held: Placement | None) -> bool:
    return held is not None and (candidate.offer, candidate.use_spot) == (held.offer, held.use_spot)


def _rest(problem: Problem, left: float) -> Problem:
    """The problem of the work that is left, its deadlines left aside."""
    request = problem.requests[0]
    scaled = msgspec.structs.replace(
        request,
        hours=request.hours * left,
        deadline_h=None,
        candidates=tuple(
            c if c.hours is None else msgspec.structs.replace(c, hours=c.hours * left) for c in request.candidates
        ),
    )
    return msgspec.structs.replace(problem, requests=(scaled,), deadline_h=None)


def _only(problem: Problem, *, use_spot: bool) -> Problem:
    request = problem.requests[0]
    row = tuple(c for c in request.candidates if c.use_spot == use_spot)
    return msgspec.structs.replace(problem, requests=(msgspec.structs.replace(request, candidates=row),))


def _in_time(rest: Problem, left_h: float, held: Placement | None) -> Problem:
    """The problem without the spot machines that are too slow for the time left; what is held stays. The same one where none is too slow.

    Work begun on a slow machine has to be ended on demand, so that the slow machine's own price is not what the job costs.
    """
    request = rest.requests[0]
    row = tuple(
        c
        for c in request.candidates
        if not c.use_spot or not is_payable(c) or wall_h(request, c) <= left_h or _is_held(c, held)
    )
    if len(row) == len(request.candidates):
        return rest
    return msgspec.structs.replace(rest, requests=(msgspec.structs.replace(request, candidates=row),))


def _by_price(rest: Problem, position: Position, terms: Terms) -> Advice:
    if position.held is None:
        plan = optimize(rest)
        if not plan.feasible:
            return Advice("wait", None, " ".join(plan.why_infeasible) or "nothing can be had now")
        return Advice("go", plan, _bought(plan))
    moving = Moving(terms.changeover_h + terms.rework_h / 2, terms.margin)
    replanned = replan(rest, (position.held,), moving)
    if not replanned.plan.feasible:
        return Advice("stay", None, "nothing else can be had now")
    (stand,) = replanned.stands
    return Advice("go", replanned.plan, stand.why) if stand.moves else Advice("stay", None, stand.why)


def _by_deadline(
    problem: Problem,
    rest: Problem,
    position: Position,
    terms: Terms,
    deadline_h: float,
    on_demand: Plan,
    spot: Plan,
) -> Advice:
    work_h = _whole_work_h(on_demand, position.left)
    mix = Mix(work_h, deadline_h, terms.changeover_h, terms.rework_h, terms.step_h)
    on = _market(position.held)
    may_return = _is_worth_it(problem, position.left, on_demand, spot)
    zones = ("held",) if on == "spot" else ("new",) if spot.feasible and may_return else ()
    zone = "held" if on == "spot" else ""
    standing = Standing(position.elapsed_h, work_h * (1 - position.left), on, zone, zones)
    slack = slack_h(mix, standing)
    step = ours(mix, standing) if may_return or on == "spot" else None
    wanted: On = "on demand" if step is None else step.on
    facts = {"slack_h": slack, "on_demand_by_h": position.elapsed_h + max(slack - mix.net_h, 0.0)}
    if wanted == "nothing":
        why = f"no spot machine can be had now, and {slack - mix.net_h:.3g} h are left before one on demand must be bought"
        return Advice("wait", None, why, **facts)
    if wanted != on:
        plan = spot if wanted == "spot" else on_demand
        return Advice("go", plan, _why_changed(wanted, slack, on_demand, may_return=may_return), **facts)
    assert position.held is not None, "a market is held"
    if slack > mix.net_h + mix.changeover_h:  # a move within the market, where it pays
        told = _by_price(_only(rest, use_spot=wanted == "spot"), position, terms)
        return msgspec.structs.replace(told, **facts)
    return Advice("stay", None, f"{slack:.3g} h of slack are left, too little for a move", **facts)


def _whole_work_h(on_demand: Plan, left: float) -> float:
    """The job's hours on the machine that must make the deadline good, checkpoints and start counted where they are known."""
    placement = on_demand.placements[0]
    hours = placement.hours if placement.expected is None else placement.expected.wall_h
    return hours / left


def _market(held: Placement | None) -> On:
    if held is None:
        return "nothing"
    return "spot" if held.use_spot else "on demand"


def _is_worth_it(problem: Problem, left: float, on_demand: Plan, spot: Plan) -> bool:
    """Whether spot, now or when it returns, is cheaper than on demand: a market that nobody offers is not waited for."""
    if spot.feasible:
        return spot.total_usd < on_demand.total_usd
    whole = canonical(problem).requests[0]
    priced = (total_nano(whole, c) for c in whole.candidates if c.use_spot and is_payable(c))
    return min(priced, default=ENDLESS_NANO) < nano_usd(on_demand.total_usd) / left


def _bought(plan: Plan) -> str:
    first = plan.placements[0]
    where = "/".join(part for part in (first.cloud, first.region, first.zone) if part)
    return f"{first.instance_type} at {where} is the cheapest ({'spot' if first.use_spot else 'on demand'})"


def _why_changed(wanted: On, slack: float, on_demand: Plan, *, may_return: bool) -> str:
    if wanted == "spot":
        return f"spot can be had, and {slack:.3g} h of slack allow for losing it"
    if not may_return:
        return f"no spot machine is cheaper; {_bought(on_demand)}"
    if slack < 0:
        return f"the work that is left ends {-slack:.3g} h after the deadline even on demand"
    return f"{slack:.3g} h of slack are left: on demand to end in time"
