"""Two catalogs side by side: what came, what went, and whose price moved. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from tradewind.catalog.offer import Offer

_Key = tuple[str, str, str, str]


class PriceChange(msgspec.Struct, frozen=True):
    """One offer's price in one market before and after, USD/hour; None where it was, or is, not sold that way or not known."""

    cloud: str
    region: str
    zone: str
    instance_type: str
    use_spot: bool
    before: float | None
    after: float | None

    @property
    def ratio(self) -> float | None:
        """After over before; None when one of them is missing or nothing."""
        return self.after / self.before if self.before and self.after is not None else None


class Comparison(msgspec.Struct, frozen=True):
    """From one catalog to the other. `changed` has the largest moves first, up or down; `same` counts offers with both prices as they were."""

    added: tuple[Offer, ...]
    removed: tuple[Offer, ...]
    changed: tuple[PriceChange, ...]
    same: int


def compare(before: Iterable[Offer], after: Iterable[Offer]) -> Comparison:
    """What changed from `before` to `after`; the order of the offers changes nothing."""
    old = {_key(offer): offer for offer in before}
    new = {_key(offer): offer for offer in after}
    changed: list[PriceChange] = []
    same = 0
    for key in sorted(old.keys() & new.keys()):
        moves = list(_moves(key, old[key], new[key]))
        changed += moves
        same += not moves
    changed.sort(key=_smallness)
    return Comparison(
        tuple(new[key] for key in sorted(new.keys() - old.keys())),
        tuple(old[key] for key in sorted(old.keys() - new.keys())),
        tuple(changed),
        same,
    )


def _key(offer: Offer) -> _Key:
    return offer.cloud, offer.region, offer.zone, offer.instance_type


def _moves(key: _Key, old: Offer, new: Offer) -> Iterable[PriceChange]:
    pairs = (
        (False, old.price_ondemand_usd_h, new.price_ondemand_usd_h),
        (True, old.price_spot_usd_h, new.price_spot_usd_h),
    )
    for use_spot, before, after in pairs:
        if before != after:
            yield PriceChange(*key, use_spot, before, after)


def _smallness(change: PriceChange) -> tuple[float, _Key, bool]:
    """Sorts the largest factor first; what came or went in a market, or was free, after all that moved."""
    ratio = change.ratio
    factor = -max(ratio, 1 / ratio) if ratio else 0.0
    return factor, (change.cloud, change.region, change.zone, change.instance_type), change.use_spot
