"""What managed jobs have cost, for reports and caps: exact sums over instances at the prices frozen when they were launched."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction
from typing import Literal, get_args

import msgspec
from sqlalchemy import Connection, select

from tradewind.broker.store import schema
from tradewind.catalog.offer import Offer

By = Literal["job", "name", "cloud", "region", "day"]
_MS_PER_HOUR = 3_600_000
LABEL = "label:"  # and its key: by the values of that label
_UNLABELLED = "(no such label)"
_offer = msgspec.json.Decoder(Offer)
_i, _c, _j = schema.instances, schema.clusters, schema.managed_jobs


class Total(msgspec.Struct, frozen=True):
    """Spent until now (USD), and what runs now costs an hour (USD/hour); both exact."""

    usd: Fraction = Fraction(0)
    usd_h: Fraction = Fraction(0)


class Line(msgspec.Struct, frozen=True):
    """One group: instances, hours, USD, and what the same hours would have cost on demand where that price is known."""

    group: str
    instances: int
    running: int
    hours: float
    usd: float
    on_demand_usd: float


class Report(msgspec.Struct, frozen=True):
    """Every group, dearest first; `usd_exact` is the sum to twelve digits, `usd_h` what runs now costs an hour."""

    by: str
    rehearsed: bool
    lines: tuple[Line, ...]
    usd: float
    usd_exact: str
    on_demand_usd: float
    usd_h: float


class _Labelled(msgspec.Struct, frozen=True):
    labels: tuple[tuple[str, str], ...] = ()


class _LabelledTask(msgspec.Struct, frozen=True):
    """Of a task only its labels; those of the first alternative stand for all."""

    resources: tuple[_Labelled, ...] = ()


_labelled_task = msgspec.json.Decoder(_LabelledTask)


class _Held(msgspec.Struct, frozen=True):
    job_id: int
    name: str
    rehearse: bool
    price: Fraction
    offer: str
    use_spot: bool
    launched_unix: float
    running: bool
    ms: int


def is_group(by: str) -> bool:
    """Whether a report can be grouped so."""
    return by in get_args(By) or (by.startswith(LABEL) and len(by) > len(LABEL))


def _labels(connection: Connection, key: str) -> dict[int, str]:
    """The value of a label by managed job."""
    found = connection.execute(select(_j.c.id, _j.c.task).where(_j.c.task.contains(key, autoescape=True)))
    values = {}
    for job_id, task in found:
        resources = _labelled_task.decode(task).resources
        labels = dict(resources[0].labels) if resources else {}
        if key in labels:
            values[job_id] = labels[key]
    return values


def _held(connection: Connection, now: float) -> Iterator[_Held]:
    query = (
        select(
            _i.c.price_usd_h, _i.c.offer, _i.c.use_spot, _i.c.launched_unix, _i.c.ended_unix, _c.c.rehearse, _j.c.id, _j.c.name
        )
        .select_from(_i.join(_c, _c.c.id == _i.c.cluster_id).join(_j, _j.c.id == _c.c.managed_job_id))
        .where(_i.c.launched_unix.is_not(None))
    )  # fmt: skip
    for row in connection.execute(query):
        until = now if row.ended_unix is None else row.ended_unix
        yield _Held(
            job_id=row.id,
            name=row.name,
            rehearse=bool(row.rehearse),
            price=Fraction(row.price_usd_h),
            offer=row.offer,
            use_spot=bool(row.use_spot),
            launched_unix=row.launched_unix,
            running=row.ended_unix is None,
            ms=max(0, round(until * 1000) - round(row.launched_unix * 1000)),
        )


def totals(connection: Connection, now: float) -> dict[bool, Total]:
    """Of all managed jobs ever, for rehearsals (True) and real money (False) apart."""
    found = {False: Total(), True: Total()}
    for one in _held(connection, now):
        sums = found[one.rehearse]
        found[one.rehearse] = Total(
            sums.usd + one.price * one.ms / _MS_PER_HOUR, sums.usd_h + (one.price if one.running else 0)
        )
    return found


def report(connection: Connection, by: str, *, rehearsed: bool, now: float) -> Report:
    """All that was spent, grouped `by` one of By, or by the values of a label (`label:KEY`)."""
    groups: dict[str, list[_Held]] = {}
    labels = _labels(connection, by.removeprefix(LABEL)) if by.startswith(LABEL) else {}
    for one in _held(connection, now):
        if one.rehearse is rehearsed:
            group = labels.get(one.job_id, _UNLABELLED) if by.startswith(LABEL) else _group(one, by)
            groups.setdefault(group, []).append(one)
    lines = sorted((_line(name, held) for name, held in groups.items()), key=lambda line: (-line.usd, line.group))
    everything = [one for held in groups.values() for one in held]
    total = _usd(everything)
    scaled = (total * 10**12 * 2 + 1) // 2
    whole, part = divmod(int(scaled), 10**12)
    return Report(
        by=by,
        rehearsed=rehearsed,
        lines=tuple(lines),
        usd=float(total),
        usd_exact=f"{whole}.{part:012d}",
        on_demand_usd=sum(line.on_demand_usd for line in lines),
        usd_h=float(sum((one.price for one in everything if one.running), Fraction(0))),
    )


def _group(one: _Held, by: str) -> str:
    if by == "job":
        return f"{one.job_id} {one.name}"
    if by == "name":
        return one.name
    if by == "day":
        return time.strftime("%Y-%m-%d", time.gmtime(one.launched_unix))
    offer = _offer.decode(one.offer)
    return offer.cloud if by == "cloud" else f"{offer.cloud}/{offer.region}"


def _usd(held: list[_Held]) -> Fraction:
    return sum((one.price * one.ms / _MS_PER_HOUR for one in held), Fraction(0))


def _line(name: str, held: list[_Held]) -> Line:
    on_demand = Fraction(0)
    for one in held:
        price = _offer.decode(one.offer).price_ondemand_usd_h
        on_demand += (one.price if price is None else Fraction(repr(price))) * one.ms / _MS_PER_HOUR
    return Line(
        group=name,
        instances=len(held),
        running=sum(one.running for one in held),
        hours=sum(one.ms for one in held) / _MS_PER_HOUR,
        usd=float(_usd(held)),
        on_demand_usd=float(on_demand),
    )
