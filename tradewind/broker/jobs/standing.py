"""What every plan made from a data directory goes by: its limits.yaml, what spot did to it before, what it holds, and how long jobs took."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from functools import lru_cache

import msgspec

from tradewind.broker.jobs.limits import LimitsFile
from tradewind.broker.planner.asked import Asked, asked_of
from tradewind.broker.planner.wishes import Estimate
from tradewind.broker.store import seen
from tradewind.catalog.catalog import Catalog
from tradewind.optimizer.hazard import Experience
from tradewind.optimizer.plan import Placement
from tradewind.optimizer.problem import Limits
from tradewind.spec.placing import Placing
from tradewind.spec.task import Task

SEEN_FOR_S = 30.0  # a daemon that plans for thousands of jobs counts its losses this often


@lru_cache(maxsize=8)
def _experience(data_dir: str, _moment: int) -> Experience:
    return seen.experience(data_dir)


def asked_here(
    task: Task,
    catalog: Catalog,
    data_dir: str | None,
    *,
    hours: float | None = None,
    mine: Placement | None = None,
    rehearse: bool = False,
) -> Asked:
    """What the task asks of a plan made from here; without a data directory its own words alone.

    A rehearsal is held to the limits, and asks no record: it is not of the world that the record is of.

    `hours` is the length that was given. Without one, and without estimates, it is what earlier runs of the same program took: on machines with
    accelerators as an estimate for them, else the median. What is held counts against standing quotas and reservations, less what is `mine`: the
    placement that is planned anew.

    Raises LimitsError and PlanError.
    """
    if data_dir is None:
        return msgspec.structs.replace(asked_of(task, catalog), hours=hours)
    standing = LimitsFile(data_dir).read().placement
    if rehearse:
        return msgspec.structs.replace(asked_of(task, catalog, standing=standing), hours=hours)
    asked = asked_of(task, catalog, standing=standing, seen=_experience(data_dir, int(time.monotonic() / SEEN_FOR_S)))
    if standing.quotas or standing.reserved:
        asked = msgspec.structs.replace(asked, limits=_less_held(asked.limits, standing, _others(data_dir, mine)))
    if hours is not None or asked.wishes.estimates or task.name is None or not task.run:
        return msgspec.structs.replace(asked, hours=hours)
    return _with_runs(asked, task.name, seen.earlier_runs(data_dir, task.name, task.run))


def _others(data_dir: str, mine: Placement | None) -> list[seen.Held]:
    held = list(seen.held(data_dir))
    for _ in range(0 if mine is None else mine.num_nodes):
        own = next((h for h in held if mine is not None and _is_of(h, mine)), None)
        if own is not None:
            held.remove(own)
    return held


def _is_of(held: seen.Held, mine: Placement) -> bool:
    offer = held.offer
    same = (offer.cloud, offer.region, offer.instance_type) == (mine.cloud, mine.region, mine.instance_type)
    return same and held.use_spot == mine.use_spot and (not mine.zone or offer.zone == mine.zone)


def _less_held(limits: Limits, standing: Placing, held: Sequence[seen.Held]) -> Limits:
    """The limits with what is held already taken off the standing quotas and reservations; a task's own are its own."""
    shared = len(standing.quotas)  # they come first
    quotas = tuple(
        quota
        if number >= shared
        else msgspec.structs.replace(
            quota,
            limit=max(
                quota.limit
                - sum(quota.each(h.offer) for h in held if quota.place.matches(h.offer, use_spot=h.use_spot)),
                0,
            ),
        )
        for number, quota in enumerate(limits.quotas)
    )
    reservations = tuple(
        reservation
        if reservation.name not in standing.reserved
        else msgspec.structs.replace(
            reservation,
            nodes=max(
                reservation.nodes
                - sum(not h.use_spot and reservation.place.matches(h.offer, use_spot=False) for h in held),
                0,
            ),
        )
        for reservation in limits.reservations
    )
    return msgspec.structs.replace(limits, quotas=quotas, reservations=reservations)


def _with_runs(asked: Asked, name: str, runs: tuple[seen.Run, ...]) -> Asked:
    if not runs:
        return asked
    took: dict[tuple[str, float], list[float]] = {}
    for run in runs:
        took.setdefault((run.accelerator, run.accelerator_count), []).append(run.hours)
    estimates = tuple(
        Estimate(accelerator, count, statistics.median(hours))
        for (accelerator, count), hours in sorted(took.items())
        if accelerator
    )
    median = statistics.median(run.hours for run in runs)
    told = (f"length: {median:.3g} h, the median of {len(runs)} earlier runs of {name}",)
    if estimates and all(run.accelerator for run in runs):
        wishes = msgspec.structs.replace(asked.wishes, estimates=estimates)
        return msgspec.structs.replace(asked, wishes=wishes, told=told)
    return msgspec.structs.replace(asked, hours=median, told=told)
