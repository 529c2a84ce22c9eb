"""Why the catalog has nothing for a need, and what is nearest: each limit is lifted by itself until something is sold."""

from __future__ import annotations

from collections.abc import Callable, Collection

import msgspec

from tradewind.broker.planner.need import Need
from tradewind.broker.planner.reach import why_left_out
from tradewind.broker.planner.supply import one_of, price_of
from tradewind.broker.planner.wishes import NONE, Pace, Wishes
from tradewind.catalog.catalog import Catalog
from tradewind.catalog.filter import OfferFilter
from tradewind.catalog.offer import Offer

_MOST_COUNTS = 12


def why_nothing(
    need: Need, catalog: Catalog, clouds: Collection[str] | None, prefix: str, wishes: Wishes = NONE
) -> tuple[str, ...]:
    """Sentences that name the limit in the way and the nearest thing sold; at least one."""
    asked = need.filter
    if clouds is not None:
        usable = tuple(c for c in (asked.clouds or catalog.clouds()) if c in clouds)
        if not usable:
            shut = asked.clouds or catalog.clouds()
            return tuple(f"{prefix}: {why_left_out(cloud, clouds)}" for cloud in shut)
        asked = msgspec.structs.replace(asked, clouds=usable)
    if (cheapest := one_of(catalog, asked)) is not None:
        return (f"{prefix}: {_why_left_out(need, asked, catalog, wishes, cheapest)}",)
    if asked.accelerator is not None and (counts := _counts(catalog, asked)) is not None:
        return (f"{prefix}: {counts}",)
    sentences = [
        f"{prefix}: {sentence}"
        for lift, tell in _LIFTS
        if (sentence := _lifted(catalog, asked, lift, tell)) is not None
    ]
    return tuple(sentences) or (f"{prefix}: nothing sold comes near; more than one of its limits would have to give",)


def _why_left_out(need: Need, asked: OfferFilter, catalog: Catalog, wishes: Wishes, cheapest: Offer) -> str:
    """What keeps out machines that are sold and fit: their price, their speed that nobody knows, or too few zones."""
    price, most = price_of(cheapest, use_spot=need.use_spot), need.max_node_usd_h
    at = f"{_told(cheapest)} at {price:g} USD/h"
    if most is not None and price > most:
        return f"nothing costs {most:g} USD/h or less a node; the cheapest that fits is {at}"
    if wishes.estimates:
        pace = Pace(wishes.estimates, catalog)
        if all(pace.hours(offer) is None for offer in catalog.offers(asked)):
            return f"no estimate and no datasheet tells how long it takes on what fits; the cheapest is {at}: give an estimate on it"
    if wishes.most_per_zone is not None:
        return f"no region that sells what fits has zones enough for at most {wishes.most_per_zone:,} nodes in each; allow more in a zone, or ask for fewer nodes"
    return f"what fits is sold, the cheapest is {at}, and some limit leaves all of it out"


def _counts(catalog: Catalog, asked: OfferFilter) -> str | None:
    """The counts in which the accelerator is sold at all, when the one asked for is not among them."""
    wide = OfferFilter(
        accelerator=asked.accelerator,
        accelerator_count=asked.accelerator_count,
        use_spot=None,
        restricted=True,
        burstable=True,
    )
    if catalog.count(wide):
        return None
    sold = _listed(catalog.accelerator_counts(asked.accelerator or ""), asked.accelerator_count or 1)
    return f"no offer has {asked.accelerator_count:g} {asked.accelerator}; counts sold: {sold}"


def _listed(counts: list[float], wanted: float) -> str:
    """The counts, or of many the ones around the wanted one and the last."""
    if len(counts) > _MOST_COUNTS:
        first = max(0, sum(count < wanted for count in counts) - 3)
        near = counts[first : first + 6]
        before, after = ("..., " if first else ""), ("" if counts[-1] in near else f", ..., {counts[-1]:g}")
        return before + ", ".join(f"{count:g}" for count in near) + after
    return ", ".join(f"{count:g}" for count in counts)


def _lifted(
    catalog: Catalog, asked: OfferFilter, lift: dict[str, object], tell: Callable[[OfferFilter, list[Offer]], str]
) -> str | None:
    if all(getattr(asked, name) == value for name, value in lift.items()):
        return None
    offers = catalog.offers(msgspec.structs.replace(asked, **lift))
    return tell(asked, offers) if offers else None


def _tell_vcpus(asked: OfferFilter, offers: list[Offer]) -> str:
    return _nearest("cpus", "vCPUs", asked.min_vcpus, asked.max_vcpus, [o.vcpus for o in offers])


def _tell_memory(asked: OfferFilter, offers: list[Offer]) -> str:
    return _nearest("memory", "GiB", asked.min_memory_gib, asked.max_memory_gib, [o.memory_gib for o in offers])


def _tell_local_disk(asked: OfferFilter, offers: list[Offer]) -> str:
    known = [
        o.local_disk_gb for o in offers if not asked.local_disk_kinds or o.local_disk_kind in asked.local_disk_kinds
    ]
    return _nearest("local_disk", "GB", asked.min_local_disk_gb, asked.max_local_disk_gb, known or [None] * len(offers))


def _tell_network(asked: OfferFilter, offers: list[Offer]) -> str:
    return _nearest("network_speed", "Gbit/s", asked.min_network_gbps, None, [o.network_gbps for o in offers])


def _nearest(field: str, unit: str, low: float | None, high: float | None, sold: list[float | None]) -> str:
    values = [value for value in sold if value is not None]
    wanted = f"{field}: {low:g}{'' if high is not None else '+'}" if low is not None else field
    if not values and sold:  # TPU slices, mostly
        return f"{wanted} cannot be judged: no source gives the {unit} of what fits the rest ({len(sold)} offers); leave {field} out"
    if not values or low is None:
        return f"{wanted} is in the way: without it there are {len(sold)} offers"
    near = min(values, key=lambda value: (abs(value - low), value))
    return f"no machine that fits the rest has {wanted}; the nearest has {near:g} {unit}"


def _tell_market(asked: OfferFilter, offers: list[Offer]) -> str:
    market, other = ("spot", "on demand") if asked.use_spot else ("on demand", "spot")
    use_spot = not asked.use_spot
    price = price_of(offers[0], use_spot=use_spot)
    return f"nobody sells it {market}; {other} it starts at {price:g} USD/h ({_told(offers[0])})"


def _telling(what: str) -> Callable[[OfferFilter, list[Offer]], str]:
    def tell(asked: OfferFilter, offers: list[Offer]) -> str:
        price = price_of(offers[0], use_spot=bool(asked.use_spot))
        return f"{what}; without that the cheapest is {_told(offers[0])} at {price:g} USD/h"

    return tell


def _tell_place(asked: OfferFilter, offers: list[Offer]) -> str:
    where = "/".join(name for name in (",".join(asked.clouds), asked.region or "", asked.zone or "") if name)
    price = price_of(offers[0], use_spot=bool(asked.use_spot))
    return f"nobody sells it in {where}; the cheapest elsewhere is {_told(offers[0])} at {price:g} USD/h"


def _told(offer: Offer) -> str:
    place = "/".join(name for name in (offer.cloud, offer.region, offer.zone) if name)
    return f"{offer.instance_type} in {place}"


_LIFTS: tuple[tuple[dict[str, object], Callable[[OfferFilter, list[Offer]], str]], ...] = (
    ({"min_vcpus": None, "max_vcpus": None}, _tell_vcpus),
    ({"min_memory_gib": None, "max_memory_gib": None}, _tell_memory),
    ({"min_memory_gib_per_vcpu": None}, _telling("no machine that fits the rest has that much memory for each vCPU")),
    ({"local_disk_kinds": (), "min_local_disk_gb": None, "max_local_disk_gb": None}, _tell_local_disk),
    ({"min_network_gbps": None}, _tell_network),
    ({"features": ()}, _telling("no machine that fits the rest is known to have these features")),
    ({"instance_type": None}, _telling("no type of that name fits the rest")),
    ({"clouds": (), "region": None, "zone": None}, _tell_place),
    ({"use_spot": None}, _tell_market),
    ({"archs": ()}, _telling("no machine of that architecture fits the rest")),
    ({"burstable": True}, _telling("only burstable machines fit the rest (burstable: true admits them)")),
    ({"restricted": True}, _telling("only regions with restricted access have it (naming the region admits it)")),
)
