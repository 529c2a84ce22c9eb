"""What a task's own words, and standing ones, ask of a plan: `placement`, `estimates`, `deadline` as the limits and wishes that plans are made with."""

from __future__ import annotations

from collections.abc import Callable, Collection
from fnmatch import fnmatchcase
from typing import TypeVar

import msgspec

from tradewind.broker.planner.errors import PlanError
from tradewind.broker.planner.wishes import Estimate, Wishes, parse_estimate
from tradewind.catalog.catalog import Catalog
from tradewind.optimizer.aims import Aim, parse_aim
from tradewind.optimizer.hazard import NOTHING_SEEN, Experience
from tradewind.optimizer.preemption import Recovery
from tradewind.optimizer.problem import Limits, Place, Quota, Reservation, Share
from tradewind.spec.fields import nearest
from tradewind.spec.placing import Interruptions, Placing, hours_of, parse_every, parse_quota, parse_share
from tradewind.spec.task import Task

OWN = frozenset({"local", "ssh"})
_TIMES = {"every": "checkpoint_interval_h", "checkpoint": "checkpoint_h", "restart": "restart_h", "wait": "downtime_h"}
T = TypeVar("T")
N = TypeVar("N", int, float)


class Asked(msgspec.Struct, frozen=True):
    """What plans are made with: hand `limits`, `wishes`, `hours` and `deadline_h` to the planner by name, and `aim` beside them.

    `hours` is None where nobody said how long the work takes; `told` are sentences for what was decided here. With `recovery` what
    interruptions are expected to cost is counted.
    """

    limits: Limits = Limits()
    wishes: Wishes = Wishes()
    aim: Aim | None = None
    hours: float | None = None
    deadline_h: float | None = None
    told: tuple[str, ...] = ()
    recovery: Recovery | None = None


def asked_of(
    task: Task,
    catalog: Catalog,
    *,
    standing: Placing = Placing(),  # noqa: B008  a frozen value
    seen: Experience = NOTHING_SEEN,
) -> Asked:
    """What the task asks together with what stands for all tasks; the narrower of two limits holds. Of machines of one's own no source tells place
    or emissions, so that what stands for all tasks about those does not bear on them.

    Raises PlanError for a pattern, a residency, a quota or a measure without a meaning, and for limits that rule each other out.
    """
    own_machines = all(resources.infra.cloud in OWN for resources in task.resources)
    mine = task.placement
    if own_machines:
        standing = msgspec.structs.replace(standing, continents=(), countries=(), max_carbon=None, minimize=None)
    clouds = None if own_machines else catalog.clouds()
    both = (limits_of(standing, None, "limits.yaml: placement"), limits_of(mine, clouds, "placement"))
    limits = Limits(
        blocks=tuple(dict.fromkeys(block for each in both for block in each.blocks)),
        quotas=tuple(quota for each in both for quota in each.quotas),
        shares=tuple(share for each in both for share in each.shares),
        reservations=_by_name(both),
        max_carbon_kg=_least(standing.max_carbon, mine.max_carbon),
    )
    aim = _said("placement.minimize", parse_aim, mine.minimize or standing.minimize or "cost")
    continents = _narrowed("continents", standing.continents, mine.continents)
    countries = _narrowed("countries", standing.countries, mine.countries)
    check_residency(catalog, continents, countries)
    wishes = Wishes(
        continents=continents,
        countries=countries,
        estimates=estimates_of(task),
        carbon=aim.counts_carbon or limits.max_carbon_kg is not None,
        most_per_zone=_least(standing.max_nodes_per_zone, mine.max_nodes_per_zone),
        seen=seen,
    )
    recovery = recovery_of(mine.interruptions or standing.interruptions)
    return Asked(
        limits,
        wishes,
        None if aim == Aim() else aim,
        deadline_h=task.deadline_hours,
        told=() if own_machines else (*_nowhere(both[0], catalog, "limits.yaml: "), *_nowhere(both[1], catalog)),
        recovery=recovery,
    )


def _nowhere(limits: Limits, catalog: Catalog, where: str = "") -> tuple[str, ...]:
    """A sentence for each limit whose region nobody has: most often a slip, after which the limit holds nothing.

    Of a cloud that this catalog does not sell nothing is known: what stands for all plans may name it for others.
    """
    named = (
        *limits.blocks,
        *(quota.place for quota in limits.quotas),
        *(share.place for share in limits.shares),
        *(reservation.place for reservation in limits.reservations),
    )
    told = []
    for place in dict.fromkeys(named):
        if not place.region or "*" in place.region or "?" in place.region:  # a pattern may hold of what is yet to come
            continue
        clouds = [cloud for cloud in catalog.clouds() if fnmatchcase(cloud, place.cloud or "*")]
        if not clouds:
            continue
        known = {region for cloud in clouds for region in catalog.regions(cloud)}
        known |= {region for cloud, region in catalog.regions_by_place if cloud in clouds}
        if place.region not in known:
            near = nearest(place.region, sorted(known))
            hint = f" (did you mean {near!r}?)" if near else ""
            told.append(
                f"{where}{place.cloud}/{place.region} is no region that anybody sells{hint}, and limits nothing"
            )
    return tuple(told)


def recovery_of(said: bool | Interruptions) -> Recovery | None:
    """How the program lives through interruptions; None where they are not to be counted. Raises PlanError."""
    if isinstance(said, bool):
        return Recovery() if said else None
    where = "placement.interruptions"
    times = {
        field: _said(f"{where}.{name}", parse_every if name == "every" else hours_of, str(value))
        for name, field in _TIMES.items()
        if (value := getattr(said, name)) is not None
    }
    if times.get("checkpoint_interval_h") == 0:
        raise PlanError(f"{where}.every", "is 0; write a time above 0, such as 1h, or never")
    return Recovery(**times)


def estimates_of(task: Task) -> tuple[Estimate, ...]:
    """The task's own estimates. Raises PlanError."""
    return tuple(_said("estimates", parse_estimate, f"{each.on}={each.hours!r}") for each in task.estimates)


def limits_of(placing: Placing, clouds: Collection[str] | None, where: str) -> Limits:
    """The placement's limits; `clouds` are those that a pattern may name (None: any). Raises PlanError naming the field under `where`."""

    def place(text: str) -> Place:
        return parse_place(text, clouds)

    quotas = []
    for pattern, text in placing.quotas.items():
        limit, unit = _said(f"{where}.quotas", parse_quota, str(text))
        quotas.append(Quota(_said(f"{where}.quotas", place, pattern), limit, unit))
    return Limits(
        blocks=tuple(_said(f"{where}.exclude", place, text) for text in placing.exclude),
        quotas=tuple(quotas),
        shares=tuple(
            Share(_said(f"{where}.shares", place, pattern), _said(f"{where}.shares", parse_share, str(text)))
            for pattern, text in placing.shares.items()
        ),
        reservations=tuple(
            Reservation(pattern, _said(f"{where}.reserved", place, pattern), nodes)
            for pattern, nodes in placing.reserved.items()
        ),
    )


def parse_place(text: str, clouds: Collection[str] | None) -> Place:
    """`cloud/region/zone/type` with `*` for any part or within one. Raises ValueError with the sentence to show."""
    parts = [part.strip() for part in text.split("/")]
    if not 1 <= len(parts) <= 4 or not all(parts):
        raise ValueError(
            f"{text!r} is no place; write cloud/region/zone/type with * for any, as aws/us-* or */*/*/m5.*"
        )
    parts[0] = parts[0].lower()
    if clouds is not None and not any(fnmatchcase(cloud, parts[0]) for cloud in clouds):
        raise ValueError(
            f"{parts[0]!r} is no cloud here; there are {', '.join(clouds)}; a region is written */{parts[0]}"
        )
    if all(part == "*" for part in parts):
        raise ValueError(f"{text!r} is everywhere; name something")
    cloud, region, zone, instance_type = (*parts, "", "", "")[:4]
    return Place(cloud, region, zone, instance_type)


def check_residency(catalog: Catalog, continents: Collection[str], countries: Collection[str]) -> None:
    """Every continent and country is one that the catalog's regions have. Raises PlanError with those that there are."""
    if not (continents or countries):
        return
    regions = catalog.regions_by_place.values()
    for field, names, there in (
        ("continents", continents, {r.continent for r in regions if r.continent}),
        ("countries", countries, {r.country for r in regions if r.country}),
    ):
        known = {name.lower() for name in there}
        for name in names:
            if name.lower() not in known:
                raise PlanError(f"placement.{field}", f"no region is in {name!r}; there are {', '.join(sorted(there))}")


def _said(field: str, parse: Callable[[str], T], text: str) -> T:
    try:
        return parse(text)
    except ValueError as err:
        raise PlanError(field, str(err)) from err


def _least(one: N | None, other: N | None) -> N | None:
    given = [each for each in (one, other) if each is not None]
    return min(given, default=None)


def _narrowed(field: str, standing: tuple[str, ...], mine: tuple[str, ...]) -> tuple[str, ...]:
    if not (standing and mine):
        return standing or mine
    allowed = {name.lower() for name in standing}
    both = tuple(name for name in mine if name.lower() in allowed)
    if not both:
        raise PlanError(
            f"placement.{field}", f"{', '.join(mine)} is outside what limits.yaml allows ({', '.join(standing)})"
        )
    return both


def _by_name(both: tuple[Limits, ...]) -> tuple[Reservation, ...]:
    """A pattern in both is one reservation: the task's word on its size holds."""
    return tuple({r.name: r for each in both for r in each.reservations}.values())
