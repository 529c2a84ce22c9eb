"""What a run has cost, and what the same machine-hours would have cost elsewhere at catalog prices. Pure and exact."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import msgspec

from tradewind.broker.store.records import EventRow
from tradewind.broker.store.spend import InstanceSpend, instance_spends, total_usd
from tradewind.optimizer.plan import Plan


class BillLine(msgspec.Struct, frozen=True):
    """One instance: where, at what frozen price (USD/hour), for how long (seconds), and its cost (USD)."""

    instance_id: str
    place: str
    price_usd_h: float
    launched_unix: float
    ended_unix: float
    seconds: float
    running: bool
    usd: float


class Comparison(msgspec.Struct, frozen=True):
    """The same machine-hours bought otherwise: how, at what price for one node (USD/hour), and their cost (USD)."""

    how: str
    place: str
    node_usd_h: float
    usd: float


class Bill(msgspec.Struct, frozen=True):
    """`spent_usd` as a number and, exactly to twelve digits, as text; `node_hours` is what the comparisons price."""

    spent_usd: float
    spent_usd_exact: str
    node_hours: float
    rehearsed: bool
    instances: tuple[BillLine, ...]
    comparisons: tuple[Comparison, ...]


def exact_text(amount: Fraction) -> str:
    """An amount in USD, rounded half up to twelve decimals."""
    scaled = (amount * 10**12 * 2 + 1) // 2
    whole, part = divmod(int(scaled), 10**12)
    return f"{whole}.{part:012d}"


def make_bill(facts: Sequence[EventRow], plan: Plan, *, rehearsed: bool, now: float) -> Bill:
    """The bill of everything that `facts` tell was launched, beside the candidates of `plan`."""
    spends = instance_spends(facts, now)
    total = total_usd(spends)
    seconds = sum((_seconds(spend) for spend in spends), Fraction(0))
    hours = seconds / 3600
    return Bill(
        spent_usd=float(total),
        spent_usd_exact=exact_text(total),
        node_hours=float(hours),
        rehearsed=rehearsed,
        instances=tuple(_line(spend) for spend in spends),
        comparisons=_comparisons(plan, hours),
    )


def _seconds(spend: InstanceSpend) -> Fraction:
    return Fraction(round(spend.ended_unix * 1000) - round(spend.launched_unix * 1000), 1000)


def _line(spend: InstanceSpend) -> BillLine:
    return BillLine(
        instance_id=spend.instance_id,
        place=spend.place,
        price_usd_h=float(spend.price_usd_h),
        launched_unix=spend.launched_unix,
        ended_unix=spend.ended_unix,
        seconds=float(_seconds(spend)),
        running=spend.running,
        usd=float(spend.usd),
    )


def _comparisons(plan: Plan, hours: Fraction) -> tuple[Comparison, ...]:
    if not plan.candidates:
        return ()
    choice = plan.candidates[0].offer
    found = []
    prices = (("spot", choice.price_spot_usd_h), ("on demand", choice.price_ondemand_usd_h))
    place = "/".join(part for part in (choice.cloud, choice.region, choice.zone, choice.instance_type) if part)
    for how, price in prices:
        if price is not None:
            found.append(Comparison(how=how, place=place, node_usd_h=price, usd=float(Fraction(repr(price)) * hours)))
    best: dict[str, Comparison] = {}
    for candidate in (*plan.candidates, *plan.references):
        offer = candidate.offer
        price = offer.price_spot_usd_h if candidate.use_spot else offer.price_ondemand_usd_h
        if price is None or (offer.cloud in best and best[offer.cloud].node_usd_h <= price):
            continue
        where = "/".join(part for part in (offer.cloud, offer.region, offer.zone, offer.instance_type) if part)
        usd = float(Fraction(repr(price)) * hours)
        best[offer.cloud] = Comparison(how=f"cheapest on {offer.cloud}", place=where, node_usd_h=price, usd=usd)
    return (*found, *sorted(best.values(), key=lambda one: (one.node_usd_h, one.how)))
