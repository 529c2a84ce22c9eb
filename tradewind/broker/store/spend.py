"""What was spent, exactly: from the launched and ended facts alone, at prices frozen at launch. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import msgspec

from tradewind.broker.store.records import EventRow

LAUNCHED, ENDED = "launched", "ended"
_MS_PER_HOUR = 3_600_000


class InstanceSpend(msgspec.Struct, frozen=True):
    """One instance's life and cost. `usd` is exact; `running` means it still costs, counted up to the moment asked for."""

    instance_id: str
    place: str
    price_usd_h: str
    launched_unix: float
    ended_unix: float
    running: bool
    usd: Fraction


def _milliseconds(unix: float) -> int:
    return round(unix * 1000)


def instance_spends(facts: Iterable[EventRow], now: float) -> list[InstanceSpend]:
    """Every instance's spend in the order of launch, to the millisecond, up to `now` (by the meter) for those still running."""
    launched: dict[str, EventRow] = {}
    ended: dict[str, float] = {}
    for fact in facts:
        instance_id = str(fact.data.get("instance_id", ""))
        if fact.kind == LAUNCHED:
            launched.setdefault(instance_id, fact)
        elif fact.kind == ENDED:
            ended.setdefault(instance_id, float(fact.data.get("until_unix", fact.unix)))
    result = []
    for instance_id, fact in launched.items():
        until = ended.get(instance_id, now)
        price = str(fact.data["price_usd_h"])
        since = float(fact.data.get("since_unix", fact.unix))
        held_ms = max(0, _milliseconds(until) - _milliseconds(since))
        result.append(
            InstanceSpend(
                instance_id=instance_id,
                place=str(fact.data.get("place", "")),
                price_usd_h=price,
                launched_unix=since,
                ended_unix=until,
                running=instance_id not in ended,
                usd=Fraction(price) * held_ms / _MS_PER_HOUR,
            )
        )
    return result


def total_usd(spends: Iterable[InstanceSpend]) -> Fraction:
    """The exact sum."""
    return sum((spend.usd for spend in spends), Fraction(0))
