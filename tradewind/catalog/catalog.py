"""The catalog: what the world sells, asked by index, never loaded whole."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from msgspec.structs import replace

from tradewind.catalog import query
from tradewind.catalog.cache import open_database
from tradewind.catalog.filter import OfferFilter
from tradewind.catalog.names import AWS_ZONE_NAME, check, matching, regions_with_zone
from tradewind.catalog.offer import Offer, features_of
from tradewind.catalog.region import Region
from tradewind.catalog.regions import keeps, read_quarantined, read_regions
from tradewind.catalog.tables import Tables

if TYPE_CHECKING:
    from tradewind.catalog.accelerators import AcceleratorFacts
    from tradewind.catalog.imports import Import
    from tradewind.catalog.quarantine import Quarantined

Order = Literal["price", "name"] | query.Ratio
Row = tuple[Any, ...]
Each = Literal["cloud", "region", "zone", "instance_type", "accelerator"]

_FEW = 10_000  # rows that are sooner fetched and sorted than met along the price index
# What makes two rows of offers one of the same, by their columns.
_SAME: dict[Each, tuple[int, ...]] = {
    "cloud": (0,),
    "region": (0, 1),
    "zone": (0, 1, 2),
    "instance_type": (0, 3),
    "accelerator": (7,),
}


class Catalog:
    """Offers by query. A context manager; safe to share between threads; `close` it when done.

    `source` is "shipped" or the path of a person's CSV. `date` is the newest day of its prices (YYYY-MM-DD), "" unknown; a person's own
    prices, `imports`, do not count for it.
    """

    def __init__(
        self, digest: str, tables: Callable[[], Tables], *, source: str, date: str, imports: tuple[Import, ...] = ()
    ) -> None:
        self.digest = digest
        self.source = source
        self.date = date
        self.imports = imports
        self._tables = tables
        self._connection = open_database(digest, tables)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the file; queries fail afterwards."""
        self._connection.close()

    def offers(
        self,
        wanted: OfferFilter | None = None,
        limit: int | None = None,
        order: Order = "price",
        one_per: Each | None = None,
    ) -> list[Offer]:
        """The offers that match (all, on demand, by default), the cheapest first in the filter's market, ties by place and then type.

        Without a market the on-demand price orders them, and what is sold as spot only comes last. With order "name" by place and type;
        with "per-gpu", "per-tflop" (dense bf16), "per-gpu-gib", "per-vcpu" or "per-gib" by the price for each, without the offers of which
        that is not known. `one_per` keeps the first of each cloud, region, zone, type or accelerator. At most `limit` of them: the first
        100 by price of any filter take some 20 ms.
        """
        rows = self._ordered(self._conditions(wanted or OfferFilter()), order, None if one_per else limit)
        if one_per is not None:
            rows = _first_of_each(rows, _SAME[one_per])[:limit]
        return [_offer(row) for row in rows]

    def _ordered(self, found: query.Conditions, order: Order, limit: int | None) -> list[Row]:
        if order == "name":
            return self._rows(query.by_name(found, self._walk(found), limit))
        if order != "price":
            facts = [(name, f.tflops_bf16, f.memory_gib) for name, f in self.accelerator_facts.items()]
            return self._rows(query.by_ratio(found, self._walk(found), order, facts, limit))
        if found.market is not None:
            return self._by_price(found, limit)
        rows = self._by_price(query.in_market(found, "ondemand"), limit)
        if limit is None or len(rows) < limit:  # sold as spot only: after all that have an on-demand price
            rest = query.in_market(found, "spot", without="ondemand")
            rows += self._rows(query.by_price(rest, self._walk(rest), None if limit is None else limit - len(rows)))
        return rows

    def cheapest_per_place(self, wanted: OfferFilter) -> list[Offer]:
        """For each (cloud, region, zone) with a match the cheapest offer in the filter's market, ties by lower risk (spot) and then name.

        Sorted by place. Exact: every other match in that place costs at least as much. Raises ValueError for a filter without a market.
        """
        found = self._conditions(wanted)
        if found.market is None:
            raise ValueError("cheapest_per_place needs a market; set use_spot to True or False")
        by_type, by_place, _ = self._rows(query.estimate(found))[0]
        walk = "type" if by_type <= min(by_place, _FEW * 2) else "place"
        best: dict[tuple[str, str, str], Offer] = {}
        spot = wanted.use_spot
        for offer in map(_offer, self._rows(query.cheapest_by_place(found, walk))):
            place = (offer.cloud, offer.region, offer.zone)
            if place not in best or _tie_key(offer, spot=spot) < _tie_key(best[place], spot=spot):
                best[place] = offer
        return list(best.values())

    def count(self, wanted: OfferFilter | None = None) -> int:
        """How many offers match, or how many there are in all."""
        if wanted is None:
            return int(self._rows(query.OFFERS)[0][0])
        found = self._conditions(wanted)
        return int(self._rows(query.counted(found, self._walk(found)))[0][0])

    def get(self, cloud: str, region: str, zone: str, instance_type: str) -> Offer | None:
        """The offer of exactly this place and type (restricted and burstable ones too), or None."""
        rows = self._rows(query.one_offer(cloud, region, zone, instance_type))
        return _offer(rows[0]) if rows else None

    def sells(self, cloud: str, region: str, zone: str, instance_type: str) -> bool:
        """Whether the type is sold in that zone, or with "" anywhere in the region; restricted and burstable offers count."""
        return bool(self._rows(query.sold(cloud, region, zone, instance_type)))

    def clouds(self) -> list[str]:
        """The clouds that have offers."""
        return self._names(query.CLOUDS)

    def regions(self, cloud: str) -> list[str]:
        """The regions of `cloud` that have offers."""
        return self._names(query.regions_of(cloud))

    def zones(self, cloud: str, region: str) -> list[str]:
        """The zones of a region: those with offers of their own, and those that its regional offers may be resolved to."""
        known = self.regions_by_place.get((cloud, region))
        return sorted({*self._names(query.zones_of(cloud, region)), *(known.zones if known else ())})

    def region(self, cloud: str, region: str) -> Region:
        """Where a region lies; a bare Region for one that the facts do not hold."""
        return self.regions_by_place.get((cloud, region), Region(cloud, region))

    def instance_types(self, *clouds: str) -> list[str]:
        """The instance types that these clouds (all, if none is named) sell."""
        return self._names(query.instance_types_of(clouds))

    def accelerator_names(self) -> list[str]:
        """The canonical names of the accelerators on offer."""
        return self._names(query.ACCELERATORS)

    def accelerator_counts(self, accelerator: str) -> list[float]:
        """The counts per machine in which the accelerator of this canonical name is sold."""
        return [float(row[0]) for row in self._rows(query.counts_of(accelerator))]

    def clouds_of_accelerators(self, wanted: OfferFilter) -> dict[str, tuple[str, ...]]:
        """The clouds that sell each accelerator among the offers that match, by its name."""
        found = self._conditions(wanted)
        clouds: dict[str, tuple[str, ...]] = {}
        for accelerator, cloud in self._rows(query.accelerators_by_cloud(found, self._walk(found))):
            clouds[accelerator] = (*clouds.get(accelerator, ()), cloud)
        return clouds

    def resolve_accelerators(self, name: str, count: float = 1) -> tuple[str, float]:
        """The canonical name and number of devices that `name` and `count` mean: "v5litepod-8" is eight chips of tpu-v5e.

        Raises UnknownNameError with the nearest name on offer, CatalogError for a TPU slice with a count of its own.
        """
        from tradewind.catalog.accelerators import resolve

        return resolve(name, count, self.accelerator_names())

    def check_names(
        self,
        *,
        cloud: str | None = None,
        region: str | None = None,
        zone: str | None = None,
        instance_type: str | None = None,
    ) -> None:
        """Every name given exists in the catalog; otherwise raises UnknownNameError with the nearest that does."""
        clouds = self.clouds()
        if cloud is not None:
            check("cloud", cloud, clouds)
            clouds = [cloud]
        regions = [name for each in clouds for name in self.regions(each)]
        within = f" on {cloud}" if cloud else ""
        if region is not None:
            check("region", region, regions, within)
            regions = matching(region, regions)
        if zone is not None:
            zones = [name for each in clouds for place in regions for name in self.zones(each, place)]
            letter = AWS_ZONE_NAME.fullmatch(zone.lower())
            if not (letter and "aws" in clouds and letter[1] in regions):
                check("zone", zone, zones, within)
        if instance_type is not None:
            check("instance type", instance_type, self.instance_types(*([cloud] if cloud else [])), within)

    def quarantined(self) -> list[Quarantined]:
        """The offers of the shipped snapshot whose prices are not believed, with the reason; none in a person's own catalog."""
        return read_quarantined() if self.source == "shipped" else []

    @cached_property
    def regions_by_place(self) -> dict[tuple[str, str], Region]:
        """Where each region lies and what its power emits, by (cloud, region); those that the facts hold, with or without offers."""
        return {(region.cloud, region.name): region for region in read_regions()}

    @cached_property
    def accelerator_facts(self) -> dict[str, AcceleratorFacts]:
        """Datasheet figures by canonical name; accelerators that are on offer but not here have none that are known."""
        from tradewind.catalog.accelerators import accelerator_facts

        return accelerator_facts()

    def unknown_figures(self, wanted: OfferFilter) -> dict[str, tuple[str, ...]]:
        """The accelerators that would match but for figures that nobody knows, each with those figures; they are left out of `wanted`."""
        limits = wanted.accelerator_limits
        if limits is None:
            return {}
        from tradewind.catalog.accelerator_limits import judge
        from tradewind.catalog.filter import AcceleratorLimits

        memory_alone = AcceleratorLimits(min_memory_gib=limits.min_memory_gib)
        names = self._names(query.accelerators_of(self._conditions(replace(wanted, accelerator_limits=memory_alone))))
        return judge(limits, names, self.accelerator_facts).unknown

    def unknown_equipment(self, wanted: OfferFilter) -> dict[str, dict[str, int]]:
        """For each limit of `wanted` on local disks, network and features: how many types of each cloud it leaves out because no source tells
        theirs.
        """
        if replace(wanted, **query.NO_EQUIPMENT) == wanted:
            return {}
        asked = query.unknown_equipment(wanted, self._known(wanted))
        return {figure: dict(rows) for figure, each in asked.items() if (rows := self._rows(each))}

    def _names(self, asked: query.Query) -> list[str]:
        return [str(row[0]) for row in self._rows(asked)]

    def _conditions(self, wanted: OfferFilter) -> query.Conditions:
        return query.conditions(wanted, self._known(wanted))

    def _known(self, wanted: OfferFilter) -> query.Known:
        zone_regions = [] if wanted.zone is None else regions_with_zone(wanted.zone, self.regions_by_place)
        regions = accelerators = None
        enough_memory: tuple[str, ...] = ()
        if wanted.continents or wanted.countries or wanted.max_gco2eq_per_kwh is not None:
            regions = [place for place, region in self.regions_by_place.items() if keeps(region, wanted)]
        limits = wanted.accelerator_limits
        if limits is not None:
            from tradewind.catalog.accelerator_limits import enough_memory as by_datasheet
            from tradewind.catalog.accelerator_limits import judge

            names = self.accelerator_names()
            accelerators = judge(limits, names, self.accelerator_facts).keep
            if limits.min_memory_gib is not None:
                enough_memory = by_datasheet(limits.min_memory_gib, names, self.accelerator_facts)
        return query.Known(zone_regions, regions, accelerators, enough_memory)

    def _by_price(self, found: query.Conditions, limit: int | None) -> list[Row]:
        """Along the types that match, the places that match, or the prices upwards: whichever meets fewest rows."""
        by_type, by_place, least = self._rows(query.estimate(found))[0]
        if limit is None or min(by_type, by_place) <= _FEW or least is None:
            return self._rows(query.by_price(found, "type" if by_type <= by_place else "place", limit))
        return self._rows(query.by_price(query.from_price(found, least), "price", limit))

    def _walk(self, found: query.Conditions) -> str:
        by_type, by_place, _ = self._rows(query.estimate(found))[0]
        return "type" if by_type <= by_place else "place"

    def _rows(self, asked: query.Query) -> list[Row]:
        try:
            return self._connection.execute(asked.text, asked.parameters).fetchall()
        except sqlite3.ProgrammingError:
            raise
        except sqlite3.DatabaseError:  # the cached file is damaged inside: make it again, once
            self._connection.close()
            self._connection = open_database(self.digest, self._tables, rebuild=True)
            return self._connection.execute(asked.text, asked.parameters).fetchall()


def _offer(row: Row) -> Offer:
    *described, restricted, burstable, risk, spot_date, disk_gb, disk_kind, network, features = row
    equipment = (disk_gb, disk_kind, network, features_of(str(features)))
    return Offer(*described, bool(restricted), bool(burstable), risk, spot_date, *equipment)  # type: ignore[call-arg]  # the query selects its fields


def _tie_key(offer: Offer, *, spot: bool | None) -> tuple[float, str]:
    risk = offer.spot_risk_per_h
    return (0.0 if not spot else float("inf") if risk is None else risk, offer.instance_type)


def _first_of_each(rows: Iterable[Row], same: tuple[int, ...]) -> list[Row]:
    kept: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        kept.setdefault(tuple(row[column] for column in same), row)
    return list(kept.values())
