"""The catalog: what the world sells, asked by index, never loaded whole."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from tradewind.catalog import query
from tradewind.catalog.cache import open_database
from tradewind.catalog.errors import UnknownNameError
from tradewind.catalog.filter import OfferFilter
from tradewind.catalog.offer import Offer
from tradewind.catalog.region import Region
from tradewind.catalog.regions import read_quarantined, read_regions
from tradewind.catalog.snapshot import read_manifest, read_tables
from tradewind.catalog.tables import Tables

if TYPE_CHECKING:
    from tradewind.catalog.quarantine import Quarantined

Order = Literal["price", "name"]

_FEW = 10_000  # rows that are sooner fetched and sorted than met along the price index
_AWS_ZONE_NAME = re.compile(r"(.+-\d+)[a-z]")


def open_catalog(path: str | None = None) -> Catalog:
    """The shipped snapshot, or the person's own CSV at `path` (also .gz), indexed; the first use of a catalog builds its index.

    Raises CatalogError when the file cannot be read or has rows that cannot be used.
    """
    if path is None:
        manifest = read_manifest()
        return Catalog(manifest.digest, read_tables, source="shipped", date=manifest.date)
    import hashlib  # a person's own catalog is the rare case

    from tradewind.catalog.tables import split
    from tradewind.catalog.usercsv import parse_offers, read_bytes

    data = read_bytes(path)
    digest = hashlib.sha256(b"user catalog\0" + data).hexdigest()
    return Catalog(digest, lambda: split(parse_offers(data, path)), source=path, date="")


class Catalog:
    """Offers by query. A context manager; safe to share between threads; `close` it when done.

    `source` is "shipped" or the path of a person's CSV. `date` is the newest day of its prices (YYYY-MM-DD), "" unknown.
    """

    def __init__(self, digest: str, tables: Callable[[], Tables], *, source: str, date: str) -> None:
        self.digest = digest
        self.source = source
        self.date = date
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
        self, wanted: OfferFilter | None = None, limit: int | None = None, order: Order = "price"
    ) -> list[Offer]:
        """The offers that match (all, on demand, by default), the cheapest first in the filter's market, ties by place and then type.

        Without a market the on-demand price orders them, and what is sold as spot only comes last. With order "name" by place and type. At most `limit` of them: the first 100 of any filter take some 20 ms.
        """
        found = self._conditions(wanted or OfferFilter())
        if order == "name":
            return self._found(query.by_name(found, self._walk(found), limit))
        if found.market is not None:
            return self._by_price(found, limit)
        rows = self._by_price(query.in_market(found, "ondemand"), limit)
        if limit is None or len(rows) < limit:  # sold as spot only: after all that have an on-demand price
            rest = query.in_market(found, "spot", without="ondemand")
            rows += self._found(query.by_price(rest, self._walk(rest), None if limit is None else limit - len(rows)))
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
        for offer in self._found(query.cheapest_by_place(found, walk)):
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

    def clouds(self) -> list[str]:
        """The clouds that have offers."""
        return self._names(query.CLOUDS)

    def regions(self, cloud: str) -> list[str]:
        """The regions of `cloud` that have offers."""
        return self._names(query.regions_of(cloud))

    def zones(self, cloud: str, region: str) -> list[str]:
        """The zones of a region: those with offers of their own, and those that its regional offers may be resolved to."""
        known = self._regions.get((cloud, region))
        return sorted({*self._names(query.zones_of(cloud, region)), *(known.zones if known else ())})

    def region(self, cloud: str, region: str) -> Region:
        """Where a region lies; a bare Region for one that the facts do not hold."""
        return self._regions.get((cloud, region), Region(cloud, region))

    def instance_types(self, *clouds: str) -> list[str]:
        """The instance types that these clouds (all, if none is named) sell."""
        return self._names(query.instance_types_of(clouds))

    def accelerator_names(self) -> list[str]:
        """The canonical names of the accelerators on offer."""
        return self._names(query.ACCELERATORS)

    def accelerator_counts(self, accelerator: str) -> list[float]:
        """The counts per machine in which the accelerator of this canonical name is sold."""
        return [float(row[0]) for row in self._rows(query.counts_of(accelerator))]

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
            _check("cloud", cloud, clouds)
            clouds = [cloud]
        regions = [name for each in clouds for name in self.regions(each)]
        within = f" on {cloud}" if cloud else ""
        if region is not None:
            _check("region", region, regions, within)
            regions = [name for name in regions if name.lower() == region.lower()]
        if zone is not None:
            zones = [name for each in clouds for place in regions for name in self.zones(each, place)]
            match = _AWS_ZONE_NAME.fullmatch(zone)
            if not (match and "aws" in clouds and match[1] in regions):
                _check("zone", zone, zones, within)
        if instance_type is not None:
            _check("instance type", instance_type, self.instance_types(*([cloud] if cloud else [])), within)

    def quarantined(self) -> list[Quarantined]:
        """The offers of the shipped snapshot whose prices are not believed, with the reason; none in a person's own catalog."""
        return read_quarantined() if self.source == "shipped" else []

    @cached_property
    def _regions(self) -> dict[tuple[str, str], Region]:
        return {(region.cloud, region.name): region for region in read_regions()}

    def _names(self, asked: query.Query) -> list[str]:
        return [str(row[0]) for row in self._rows(asked)]

    def _conditions(self, wanted: OfferFilter) -> query.Conditions:
        pairs: list[tuple[str, str]] = []
        if wanted.zone is not None:
            zone = wanted.zone.lower()
            pairs = [key for key, region in self._regions.items() if zone in (name.lower() for name in region.zones)]
            # AWS's letters differ between accounts, so us-east-1a is no zone id; any account has it as one of the region's.
            match = _AWS_ZONE_NAME.fullmatch(zone)
            if match and ("aws", match[1]) in self._regions:
                pairs.append(("aws", match[1]))
        return query.conditions(wanted, pairs)

    def _by_price(self, found: query.Conditions, limit: int | None) -> list[Offer]:
        """Along the types that match, the places that match, or the prices upwards: whichever meets fewest rows."""
        by_type, by_place, least = self._rows(query.estimate(found))[0]
        if limit is None or min(by_type, by_place) <= _FEW or least is None:
            return self._found(query.by_price(found, "type" if by_type <= by_place else "place", limit))
        return self._found(query.by_price(query.from_price(found, least), "price", limit))

    def _walk(self, found: query.Conditions) -> str:
        by_type, by_place, _ = self._rows(query.estimate(found))[0]
        return "type" if by_type <= by_place else "place"

    def _found(self, asked: query.Query) -> list[Offer]:
        return [_offer(row) for row in self._rows(asked)]

    def _rows(self, asked: query.Query) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(asked.text, asked.parameters).fetchall()
        except sqlite3.ProgrammingError:
            raise
        except sqlite3.DatabaseError:  # the cached file is damaged inside: make it again, once
            self._connection.close()
            self._connection = open_database(self.digest, self._tables, rebuild=True)
            return self._connection.execute(asked.text, asked.parameters).fetchall()


def _offer(row: tuple[Any, ...]) -> Offer:
    *described, restricted, burstable, risk, spot_date = row
    return Offer(*described, bool(restricted), bool(burstable), risk, spot_date)  # type: ignore[call-arg]  # the query selects its fields


def _tie_key(offer: Offer, *, spot: bool | None) -> tuple[float, str]:
    risk = offer.spot_risk_per_h
    return (0.0 if not spot else float("inf") if risk is None else risk, offer.instance_type)


def _check(kind: str, name: str, known: list[str], within: str = "") -> None:
    by_lower = {each.lower(): each for each in known}
    if name.lower() in by_lower:
        return
    from difflib import get_close_matches  # only a miss needs it

    near = get_close_matches(name.lower(), list(by_lower), n=1, cutoff=0.6)
    raise UnknownNameError(kind, name, by_lower[near[0]] if near else "", within)
