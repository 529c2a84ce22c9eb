"""Where a managed job stands, as the optimizer takes it: time since its launch, work that is left, and what it holds. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from tradewind.broker.store.forecast import KEPT_ENDS
from tradewind.broker.store.records import AttemptRow, ManagedJobRow
from tradewind.optimizer.advice import Position
from tradewind.optimizer.plan import Placement, RankedCandidate
from tradewind.spec.task import Task

LEAST_LEFT = 0.001  # a job that has worked for longer than it was said to take is nearly done


def has_choice(task: Task) -> bool:
    """Whether the task may be in more than one market: it asks for spot and names on demand beside it, or a deadline allows that."""
    spot = {resources.use_spot for resources in task.resources}
    return len(spot) > 1 or (task.deadline_hours is not None and True in spot)


def worked_h(attempts: Sequence[AttemptRow], synced_unix: Sequence[float], now: float) -> float:
    """Hours of work that would not have to be done again: of an attempt that was lost, what was done until its last checkpoint was kept."""
    worked_s = 0.0
    for attempt in attempts:
        end = now if attempt.ended_unix is None else attempt.ended_unix
        if attempt.end not in KEPT_ENDS:
            kept = [at for at in synced_unix if attempt.started_unix <= at <= end]
            end = max(kept, default=attempt.started_unix)
        worked_s += max(0.0, end - attempt.started_unix)
    return worked_s / 3600


def held(task: Task, place: RankedCandidate) -> Placement:
    """The machines that the job has, as a placement."""
    return Placement(
        task=place.task,
        cloud=place.cloud,
        region=place.region,
        zone=place.zone,
        instance_type=place.instance_type,
        use_spot=place.use_spot,
        num_nodes=task.num_nodes,
        hourly_usd=place.hourly_usd,
        total_usd=place.hourly_usd,
        hours=1.0,
        offer=place.offer,
    )


def position(
    row: ManagedJobRow, place: RankedCandidate | None, *, done_h: float, whole_h: float, now: float
) -> Position:
    """The job's position; `place` is None when it has nothing, `whole_h` how long all its work takes."""
    left = min(1.0, max(LEAST_LEFT, 1 - done_h / whole_h)) if whole_h > 0 else 1.0
    return Position(
        elapsed_h=max(0.0, now - row.created_unix) / 3600,
        left=left,
        held=None if place is None else held(row.task, place),
    )
