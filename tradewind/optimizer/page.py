"""What a plan's page shows, drawn from the plan alone: the best of each cloud and why it lost, and spot against on demand."""

from __future__ import annotations

import msgspec

from tradewind.optimizer.plan import Placement, Plan, RankedCandidate


class TaskOverview(msgspec.Struct, frozen=True):
    """One task's choice beside what it beat. Prices are USD/hour for all its nodes.

    `clouds` holds the best of each cloud, cheapest first, the choice among them; `reason` says why it lost or may not be bought.
    `spot_usd_h` and `ondemand_usd_h` are the cheapest machines that serve the task in either market (None: none is known);
    `same_machine_ondemand_usd_h` is the chosen machine itself on demand.
    """

    task: str
    chosen: Placement
    clouds: tuple[RankedCandidate, ...]
    spot_usd_h: float | None
    ondemand_usd_h: float | None
    same_machine_ondemand_usd_h: float | None


class Overview(msgspec.Struct, frozen=True):
    """A feasible plan's page: one entry a task, and how many catalog offers stood behind the choice."""

    tasks: tuple[TaskOverview, ...]
    offers_considered: int


def overview(plan: Plan) -> Overview:
    """The page of a plan; of an infeasible one it has no tasks."""
    return Overview(tuple(_of_task(plan, placement) for placement in plan.placements), plan.offers_considered)


def _of_task(plan: Plan, placement: Placement) -> TaskOverview:
    lines = [c for c in (*plan.candidates, *plan.references) if c.task == placement.task]
    best: dict[str, RankedCandidate] = {}
    for line in lines:
        best.setdefault(line.cloud, line)
    machine = placement.offer.price_ondemand_usd_h
    return TaskOverview(
        task=placement.task,
        chosen=placement,
        clouds=tuple(sorted(best.values(), key=lambda c: (bool(c.reason), c.hourly_usd, c.cloud))),
        spot_usd_h=min((c.hourly_usd for c in lines if c.use_spot), default=None),
        ondemand_usd_h=min((c.hourly_usd for c in lines if not c.use_spot), default=None),
        same_machine_ondemand_usd_h=None if machine is None else machine * placement.num_nodes,
    )
