"""What one default or limit given up would save: "allow burstable: -31 %". For the long form of the plan page."""

from __future__ import annotations

from collections.abc import Callable, Collection

import msgspec

from tradewind.broker.planner.need import Need
from tradewind.broker.planner.plan import problem_of, solved
from tradewind.broker.planner.wishes import NONE, Wishes
from tradewind.catalog.catalog import Catalog
from tradewind.optimizer.aims import Aim
from tradewind.optimizer.plan import Placement, Plan
from tradewind.optimizer.preemption import Recovery
from tradewind.optimizer.problem import Limits
from tradewind.spec.task import Task

Change = Callable[[Need], Need]


class Relaxation(msgspec.Struct, frozen=True):
    """One thing given up, where the task would then go, and what that saves of what the plan minimises, as a fraction (None: there was no plan at all)."""

    what: str
    placement: Placement
    total_usd: float
    saving: float | None


def relaxations(
    task: Task,
    catalog: Catalog,
    plan: Plan,
    *,
    limits: Limits = Limits(),  # noqa: B008  a frozen value
    clouds: Collection[str] | None = None,
    hours: float | None = None,
    recovery: Recovery | None = None,
    deadline_h: float | None = None,
    wishes: Wishes = NONE,
    aim: Aim | None = None,
) -> tuple[Relaxation, ...]:
    """Every single change that makes the task cheaper (or possible), the cheapest first. Pass what the plan was made with."""
    found = []
    for what, change in _CHANGES:
        problem = problem_of(
            [task],
            catalog,
            limits=limits,
            clouds=clouds,
            hours=hours,
            recovery=recovery,
            deadline_h=deadline_h,
            change=change,
            wishes=wishes,
        )
        other = solved(problem, aim)
        if other.feasible and (not plan.feasible or other.certificate.objective < plan.certificate.objective):
            saving = 1 - other.certificate.objective / plan.certificate.objective if plan.feasible else None
            found.append(Relaxation(what, other.placements[0], other.total_usd, saving))
    return tuple(sorted(found, key=lambda r: (-(r.saving or 0.0), r.total_usd, r.what)))


def _filtered(**fields: object) -> Change:
    def change(need: Need) -> Need:
        return msgspec.structs.replace(need, filter=msgspec.structs.replace(need.filter, **fields))

    return change


def _no_cap(need: Need) -> Need:
    return msgspec.structs.replace(need, max_node_usd_h=None)


_CHANGES: tuple[tuple[str, Change], ...] = (
    ("allow burstable machines (burstable: true)", _filtered(burstable=True)),
    ("allow arm64 and x86_64 (arch: any)", _filtered(archs=())),
    ("buy spot (use_spot: true)", _filtered(use_spot=True)),
    ("allow regions with restricted access", _filtered(restricted=True)),
    ("allow any zone", _filtered(zone=None)),
    ("allow any region", _filtered(region=None, zone=None)),
    ("allow any cloud", _filtered(clouds=(), region=None, zone=None)),
    ("allow more vCPUs (cpus: with a +)", _filtered(max_vcpus=None)),
    ("allow more memory (memory: with a +)", _filtered(max_memory_gib=None)),
    (
        "allow machines without such a local disk",
        _filtered(local_disk_kinds=(), min_local_disk_gb=None, max_local_disk_gb=None),
    ),
    ("allow a slower network", _filtered(min_network_gbps=None)),
    ("allow machines without these features", _filtered(features=())),
    ("allow machines with accelerators", _filtered(no_accelerator=False)),
    ("lift max_hourly_cost", _no_cap),
    ("allow any continent and country", _filtered(continents=(), countries=())),
)
