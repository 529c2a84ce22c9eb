"""The SQL of this room, all of it: an OfferFilter as conditions on types, places and prices, and the walk that answers it soonest."""

# ruff: noqa: S608  every value travels as a parameter; the texts that are joined are all written here

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from tradewind.catalog.accelerator_limits import MEMORY_TOLERANCE
from tradewind.catalog.filter import OfferFilter, PlacePattern

Parameter = str | float | int | None
Figure = Literal["local disk", "network", "features"]

NO_EQUIPMENT: dict[str, Any] = {
    "local_disk_kinds": (), "min_local_disk_gb": None, "max_local_disk_gb": None, "min_network_gbps": None, "features": (),
}  # fmt: skip

COUNT_TOLERANCE = 0.002  # clouds print a third of a device as 0.333

_OFFER = """p.cloud, p.region, p.zone, t.instance_type, t.arch, t.vcpus, t.memory_gib, t.accelerator, t.accelerator_count,
  t.accelerator_memory_gib, o.ondemand, o.spot, v.basis, v.spot_basis, v.date, p.restricted, t.burstable, o.risk, v.spot_date,
  t.local_disk_gb, t.local_disk_kind, t.network_gbps, t.features"""
_JOINED = "JOIN types t ON t.id = o.type JOIN places p ON p.id = o.place JOIN provenances v ON v.id = o.provenance"


class Condition(msgspec.Struct):
    """A conjunction with its parameters, in step."""

    parts: list[str] = []
    parameters: list[Parameter] = []

    def add(self, part: str, *parameters: Parameter) -> None:
        self.parts.append(part)
        self.parameters.extend(parameters)

    @property
    def text(self) -> str:
        return " AND ".join(self.parts) or "1"


class Query(msgspec.Struct, frozen=True):
    """A statement and its parameters."""

    text: str
    parameters: tuple[Parameter, ...] = ()


class Conditions(msgspec.Struct, frozen=True):
    """A filter over the three tables. `market` is the price column, None when either market will do."""

    types: Condition
    places: Condition
    prices: Condition
    market: str | None


class Known(msgspec.Struct, frozen=True):
    """What the facts say of a filter: the (cloud, region) pairs that have its zone, for the regional offers there; the pairs that keep its
    limits on regions, and the accelerators that keep its limits on them and, apart, on memory; None where there is no such limit.
    """

    zone_regions: Sequence[tuple[str, str]] = ()
    regions: Sequence[tuple[str, str]] | None = None
    accelerators: Sequence[str] | None = None
    enough_memory: Sequence[str] = ()


def conditions(wanted: OfferFilter, known: Known = Known()) -> Conditions:  # noqa: B008  a frozen value
    """`wanted` as conditions, with what the facts say of it."""
    types, places, prices = Condition(), Condition(), Condition()
    if wanted.clouds:
        marks = ", ".join("?" * len(wanted.clouds))
        types.add(f"cloud IN ({marks})", *wanted.clouds)
        places.add(f"cloud IN ({marks})", *wanted.clouds)
    _add_type(wanted, types)
    _add_accelerator(wanted, known, types)
    if wanted.region is not None:
        places.add(*_named("lower(region)", wanted.region.lower()))
    if wanted.zone is not None:
        named, value = _named("lower(zone)", wanted.zone.lower())
        pairs, values = _among(known.zone_regions)
        places.add(f"({named} OR (zone = '' AND {pairs}))", value, *values)
    if known.regions is not None:
        pairs, values = _among(known.regions)
        places.add(pairs, *values)
    if not wanted.restricted:
        places.add("NOT restricted")
    for pattern in wanted.excluded:
        _exclude(pattern, types, places, prices)
    market = {True: "spot", False: "ondemand", None: None}[wanted.use_spot]
    if market is not None:
        prices.add(f"o.{market} IS NOT NULL")
    if wanted.max_price_usd_h is not None:
        price = f"o.{market}" if market else "coalesce(o.ondemand, o.spot)"
        prices.add(f"{price} <= ?", wanted.max_price_usd_h)
    if wanted.max_spot_risk_per_h is not None:
        prices.add("o.risk <= ?", wanted.max_spot_risk_per_h)
    if wanted.bases:
        marks = ", ".join("?" * len(wanted.bases))
        columns = {"spot": ("spot_basis",), "ondemand": ("basis",), None: ("basis", "spot_basis")}[market]
        either = " OR ".join(f"{column} IN ({marks})" for column in columns)
        prices.add(f"o.provenance IN (SELECT id FROM provenances WHERE {either})", *(wanted.bases * len(columns)))
    return Conditions(types, places, prices, market)


def _add_type(wanted: OfferFilter, types: Condition) -> None:
    limits = {
        "vcpus >= ?": wanted.min_vcpus,
        "vcpus <= ?": wanted.max_vcpus,
        "memory_gib >= ?": wanted.min_memory_gib,
        "memory_gib <= ?": wanted.max_memory_gib,
        "memory_gib >= vcpus * ?": wanted.min_memory_gib_per_vcpu,
    }
    for part, limit in limits.items():
        if limit is not None:
            types.add(part, limit)
    if wanted.instance_type is not None:
        named, value = _named("lower(instance_type)", wanted.instance_type.lower())
        if wanted.accelerator is None:
            types.add(named, value)
        else:  # a machine type and an accelerator together may mean the one with the other attached
            types.add(f"({named} OR lower(instance_type) GLOB ?)", value, f"{_glob(wanted.instance_type.lower())}+*")
    if wanted.archs:
        types.add(f"arch IN ({', '.join('?' * len(wanted.archs))})", *wanted.archs)
    for asked in _equipment(wanted).values():
        types.add(asked.text, *asked.parameters)
    if not wanted.burstable:
        types.add("NOT burstable")


def _add_accelerator(wanted: OfferFilter, known: Known, types: Condition) -> None:
    if wanted.accelerator is not None:
        types.add("accelerator = ?", wanted.accelerator)
    if wanted.accelerator_count is not None:
        types.add(
            "accelerator_count BETWEEN ? AND ?",
            wanted.accelerator_count - COUNT_TOLERANCE,
            wanted.accelerator_count + COUNT_TOLERANCE,
        )
    if wanted.min_accelerator_count is not None:
        types.add("accelerator_count >= ?", wanted.min_accelerator_count - COUNT_TOLERANCE)
    if wanted.no_accelerator:
        types.add("accelerator = ''")
    if wanted.any_accelerator:
        types.add("accelerator != ''")
    if known.accelerators is not None:
        types.add(f"accelerator IN ({', '.join('?' * len(known.accelerators))})", *known.accelerators)
    limits = wanted.accelerator_limits
    if limits is not None and limits.min_memory_gib is not None:
        marks = ", ".join("?" * len(known.enough_memory))
        types.add(
            f"(accelerator_memory_gib >= ? OR (accelerator_memory_gib IS NULL AND accelerator IN ({marks})))",
            limits.min_memory_gib * (1 - MEMORY_TOLERANCE),
            *known.enough_memory,
        )


def _named(column: str, value: str) -> tuple[str, str]:
    """The condition that a column has this name, or matches it where it holds `*` or `?`, and its parameter."""
    return (f"{column} GLOB ?", _glob(value)) if "*" in value or "?" in value else (f"{column} = ?", value)


def _glob(value: str) -> str:
    return value.replace("[", "[[]")  # the one other letter that means something in GLOB


def _among(pairs: Sequence[tuple[str, str]]) -> tuple[str, list[str]]:
    """The condition that (cloud, region) is one of the pairs, and its parameters."""
    marks = ", ".join(["(?, ?)"] * len(pairs))
    return (f"(cloud, region) IN (VALUES {marks})" if pairs else "0"), [name for pair in pairs for name in pair]


def _exclude(pattern: PlacePattern, types: Condition, places: Condition, prices: Condition) -> None:
    where = {"cloud": pattern.cloud, "region": pattern.region, "zone": pattern.zone}
    place = Condition()
    for column, value in where.items():
        if value not in {"", "*"}:
            place.add(*_named(column, value))
    if pattern.instance_type in {"", "*"}:
        places.add(f"NOT ({place.text})" if place.parts else "0", *place.parameters)
        return
    named, instance_type = _named("instance_type", pattern.instance_type)
    if not place.parts:
        types.add(f"NOT {named}", instance_type)
    else:
        prices.add(
            f"NOT (o.type IN (SELECT id FROM types WHERE {named}) AND o.place IN (SELECT id FROM places WHERE {place.text}))",
            instance_type,
            *place.parameters,
        )


def estimate(found: Conditions) -> Query:
    """Two upper bounds on the number of offers that match, by type alone and by place alone, and a lower bound on their price.

    Both tables are small. The price is in the market (on demand if there is none), None when no type that matches has one.
    """
    text = (
        f"SELECT coalesce(sum(offers), 0), (SELECT coalesce(sum(offers), 0) FROM places WHERE {found.places.text}),"
        f" min(least_{found.market or 'ondemand'}) FROM types WHERE {found.types.text}"
    )
    return Query(text, (*found.places.parameters, *found.types.parameters))


def _matching(found: Conditions, walk: str) -> tuple[str, list[Parameter]]:
    """FROM and WHERE over prices `o`. The unary plus keeps SQLite from choosing another index than the walk's."""
    plus = {"type": ("", "+"), "place": ("+", ""), "price": ("+", "+")}[walk]
    index = {
        "type": "",
        "place": f"INDEXED BY by_place_{found.market or 'ondemand'}",
        "price": f"INDEXED BY by_{found.market or 'ondemand'}",
    }[walk]
    text = (
        f"prices o {index} WHERE {plus[0]}o.type IN (SELECT id FROM types WHERE {found.types.text})"
        f" AND {plus[1]}o.place IN (SELECT id FROM places WHERE {found.places.text}) AND {found.prices.text}"
    )
    return text, [*found.types.parameters, *found.places.parameters, *found.prices.parameters]


def by_price(found: Conditions, walk: str, limit: int | None) -> Query:
    """The offers that match, cheapest first in the market (on demand if there is none), ties by place and then by type."""
    source, parameters = _matching(found, walk)
    order = f"o.{found.market or 'ondemand'}, o.place, o.type"
    text = f"SELECT {_OFFER} FROM (SELECT o.* FROM {source} ORDER BY {order} LIMIT ?) o {_JOINED} ORDER BY {order}"
    return Query(text, (*parameters, _count(limit)))


def _count(limit: int | None) -> int:
    return -1 if limit is None else min(limit, 2**62)  # SQLite's integers end at 2**63


def from_price(found: Conditions, least: float) -> Conditions:
    """The same, said to cost at least `least` in the market: a walk along the prices then starts there."""
    prices = Condition([*found.prices.parts, f"o.{found.market} >= ?"], [*found.prices.parameters, least])
    return Conditions(found.types, found.places, prices, found.market)


def in_market(found: Conditions, market: str, *, without: str | None = None) -> Conditions:
    """The same, narrowed to offers with a price in `market`, and with none in the market `without`."""
    prices = Condition([*found.prices.parts, f"o.{market} IS NOT NULL"], list(found.prices.parameters))
    if without is not None:
        prices.add(f"o.{without} IS NULL")
    return Conditions(found.types, found.places, prices, market)


def by_name(found: Conditions, walk: str, limit: int | None) -> Query:
    """The offers that match by place, then by type."""
    source, parameters = _matching(found, walk)
    text = f"SELECT {_OFFER} FROM (SELECT o.* FROM {source} ORDER BY o.place, o.type LIMIT ?) o {_JOINED} ORDER BY o.place, o.type"
    return Query(text, (*parameters, _count(limit)))


Ratio = Literal["per-gpu", "per-tflop", "per-gpu-gib", "per-vcpu", "per-gib"]
Facts = tuple[str, float | None, float | None]  # an accelerator's name, its dense bf16 TFLOPS and its GiB

# What an order divides the price by; `f` are the accelerators' facts. Nothing to divide by, or unknown: no place in the order.
_DIVISORS: dict[Ratio, str] = {
    "per-gpu": "nullif(t.accelerator_count, 0)",
    "per-tflop": "nullif(t.accelerator_count * f.tflops, 0)",
    "per-gpu-gib": "nullif(t.accelerator_count * coalesce(t.accelerator_memory_gib, f.memory_gib), 0)",
    "per-vcpu": "nullif(t.vcpus, 0)",
    "per-gib": "nullif(t.memory_gib, 0)",
}


def by_ratio(found: Conditions, walk: str, ratio: Ratio, facts: Sequence[Facts], limit: int | None) -> Query:
    """The offers that match and can be ranked by their price for each unit, the cheapest first, ties by place and then by type."""
    source, parameters = _matching(found, walk)
    price = f"o.{found.market}" if found.market else "coalesce(o.ondemand, o.spot)"
    order = "o.price / m.divisor, o.place, o.type"
    marks = ", ".join(["(?, ?, ?)"] * (len(facts) + 1))  # a row of nothing, so that VALUES is never empty
    text = (
        f"WITH f(accelerator, tflops, memory_gib) AS (VALUES {marks}),"
        f" m AS MATERIALIZED (SELECT t.id AS id, {_DIVISORS[ratio]} AS divisor FROM types t LEFT JOIN f ON f.accelerator = t.accelerator)"
        f" SELECT {_OFFER} FROM (SELECT o.*, {price} AS price FROM {source}) o JOIN m ON m.id = o.type {_JOINED}"
        f" WHERE m.divisor IS NOT NULL ORDER BY {order} LIMIT ?"
    )
    flat = [value for row in [("", None, None), *facts] for value in row]
    return Query(text, (*flat, *parameters, _count(limit)))


def accelerators_of(found: Conditions) -> Query:
    """The accelerators among the types that match; places and prices are not asked."""
    text = f"SELECT DISTINCT accelerator FROM types WHERE accelerator != '' AND {found.types.text} ORDER BY accelerator"
    return Query(text, tuple(found.types.parameters))


def _equipment(wanted: OfferFilter) -> dict[Figure, Condition]:
    """What the filter limits of a machine's equipment."""
    disk, network, features = Condition(), Condition(), Condition()
    if wanted.min_local_disk_gb is not None:
        disk.add("local_disk_gb >= ?", wanted.min_local_disk_gb)
    if wanted.max_local_disk_gb is not None:
        disk.add("local_disk_gb <= ?", wanted.max_local_disk_gb)
    if wanted.local_disk_kinds:
        disk.add(f"local_disk_kind IN ({', '.join('?' * len(wanted.local_disk_kinds))})", *wanted.local_disk_kinds)
    if wanted.min_network_gbps is not None:
        network.add("network_gbps >= ?", wanted.min_network_gbps)
    for feature in wanted.features:
        features.add("instr(';' || features || ';', ?)", f";{feature};")
    limits: dict[Figure, Condition] = {"local disk": disk, "network": network, "features": features}
    return {figure: limit for figure, limit in limits.items() if limit.parts}


def _untold(figure: Figure, wanted: OfferFilter) -> Condition:
    """That no source tells whether the filter's limit on the figure is kept."""
    found = Condition()
    if figure == "local disk":
        least, most = wanted.min_local_disk_gb or 0.0, wanted.max_local_disk_gb
        sized = "local_disk_kind = '' AND local_disk_gb > 0 AND local_disk_gb BETWEEN ? AND ?"
        kinds = bool(wanted.local_disk_kinds)
        found.add(f"(local_disk_gb IS NULL OR (? AND {sized}))", kinds, least, 1e300 if most is None else most)
    elif figure == "network":
        found.add("network_gbps IS NULL")
    else:
        found.add("(features = '' AND local_disk_gb IS NULL AND network_gbps IS NULL)")
    return found


def unknown_equipment(wanted: OfferFilter, known: Known) -> dict[Figure, Query]:
    """For each limit on equipment: how many types of each cloud would match but for a figure that no source tells."""
    limits = _equipment(wanted)
    rest = msgspec.structs.replace(wanted, **NO_EQUIPMENT)
    queries = {}
    for figure in limits:
        types = conditions(rest, known).types
        types.add(_untold(figure, wanted).text, *_untold(figure, wanted).parameters)
        for other, limit in limits.items():
            if other != figure:
                either = _untold(other, wanted)
                types.add(f"(({limit.text}) OR {either.text})", *limit.parameters, *either.parameters)
        text = f"SELECT cloud, count(*) FROM types WHERE {types.text} GROUP BY cloud ORDER BY cloud"
        queries[figure] = Query(text, tuple(types.parameters))
    return queries


def accelerators_by_cloud(found: Conditions, walk: str) -> Query:
    """The (accelerator, cloud) pairs among the offers that match."""
    source, parameters = _matching(found, walk)
    text = (
        f"SELECT DISTINCT accelerator, cloud FROM types WHERE accelerator != '' AND id IN (SELECT o.type FROM {source})"
        " ORDER BY accelerator, cloud"
    )
    return Query(text, tuple(parameters))


def counted(found: Conditions, walk: str) -> Query:
    """How many offers match."""
    source, parameters = _matching(found, walk)
    return Query(f"SELECT count(*) FROM {source}", tuple(parameters))


def cheapest_by_place(found: Conditions, walk: str) -> Query:
    """Every offer that matches and costs least in its place (all that tie); needs a market. `walk` "type" for few matches, else "place"."""
    market = found.market
    if walk == "type":
        source, parameters = _matching(found, "type")
        least = f"SELECT o.place AS place, min(o.{market}) AS price FROM {source} GROUP BY o.place"
    else:  # in each place the index runs from the cheapest offer up to the first that matches
        least = (
            f"SELECT p.id AS place, (SELECT o.{market} FROM prices o INDEXED BY by_place_{market} WHERE o.place = p.id AND {found.prices.text}"
            f" AND +o.type IN (SELECT id FROM types WHERE {found.types.text}) ORDER BY o.{market} LIMIT 1) AS price"
            f" FROM places p WHERE {found.places.text} LIMIT -1"  # a limit keeps SQLite from flattening it
        )
        parameters = [*found.prices.parameters, *found.types.parameters, *found.places.parameters]
    text = (
        f"SELECT {_OFFER} FROM ({least}) m CROSS JOIN prices o INDEXED BY by_place_{market} ON o.place = m.place AND o.{market} = m.price"
        f" {_JOINED} WHERE +o.type IN (SELECT id FROM types WHERE {found.types.text}) AND {found.prices.text} ORDER BY o.place, o.type"
    )
    return Query(text, (*parameters, *found.types.parameters, *found.prices.parameters))


def one_offer(cloud: str, region: str, zone: str, instance_type: str) -> Query:
    """The offer of exactly this place and type."""
    text = (
        f"SELECT {_OFFER} FROM prices o {_JOINED} WHERE o.type IN (SELECT id FROM types WHERE cloud = ? AND instance_type = ?)"
        " AND o.place IN (SELECT id FROM places WHERE cloud = ? AND region = ? AND zone = ?)"
    )
    return Query(text, (cloud, instance_type, cloud, region, zone))


def sold(cloud: str, region: str, zone: str, instance_type: str) -> Query:
    """A row if the type is sold in that zone, or with "" anywhere in the region."""
    text = (
        "SELECT 1 FROM prices o WHERE o.type IN (SELECT id FROM types WHERE cloud = ? AND instance_type = ?)"
        " AND o.place IN (SELECT id FROM places WHERE cloud = ? AND region = ? AND (? = '' OR zone = ?)) LIMIT 1"
    )
    return Query(text, (cloud, instance_type, cloud, region, zone, zone))


CLOUDS = Query("SELECT DISTINCT cloud FROM places ORDER BY cloud")
ACCELERATORS = Query("SELECT DISTINCT accelerator FROM types WHERE accelerator != '' ORDER BY accelerator")
OFFERS = Query("SELECT count(*) FROM prices")


def regions_of(cloud: str) -> Query:
    """The regions of a cloud that have offers."""
    return Query("SELECT DISTINCT region FROM places WHERE cloud = ? ORDER BY region", (cloud,))


def zones_of(cloud: str, region: str) -> Query:
    """The zones of a region that have offers of their own."""
    return Query("SELECT zone FROM places WHERE cloud = ? AND region = ? AND zone != '' ORDER BY zone", (cloud, region))


def instance_types_of(clouds: Sequence[str]) -> Query:
    """The instance types that these clouds (all, if none) sell."""
    where = f"WHERE cloud IN ({', '.join('?' * len(clouds))})" if clouds else ""
    return Query(f"SELECT DISTINCT instance_type FROM types {where} ORDER BY instance_type", tuple(clouds))


def counts_of(accelerator: str) -> Query:
    """The counts in which an accelerator is sold."""
    return Query(
        "SELECT DISTINCT accelerator_count FROM types WHERE accelerator = ? ORDER BY accelerator_count", (accelerator,)
    )
