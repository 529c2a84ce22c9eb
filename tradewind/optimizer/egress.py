"""What moving data costs, takes and emits: USD and kg per GB, Gbit/s, from region to region."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

INTERNET = "internet"

Site = tuple[str, str]  # cloud, region: data moves free within one


def egress_key(source: Site, target: Site) -> str:
    """How a pair of regions is spelt in a price table; the target ("internet", "") is anywhere."""
    return f"{source[0]}/{source[1]}>{target[0]}/{target[1]}"


class Egress(msgspec.Struct, frozen=True):
    """Prices by `egress_key`. What no source says costs what leaving for the internet costs there, and where that is not known either
    `unknown_usd_per_gb`: unknown is never free.

    `gigabits_between` are speeds by "area>area", the areas of a region by `area` ("cloud/region"); where none is known there, and for regions of no
    area, `gigabits_per_s` counts; None: moving takes no time. `kg_per_gb` is kg CO2-equivalent for a GB that leaves a region, by "cloud/region"; a
    region that is not in a table with others counts as the worst of them, and with no table nothing is counted. The default price is the commonest price to the internet in the catalog's own table (31 of its 82 regions, most of them GCP's).
    """

    usd_per_gb: dict[str, float] = {}
    unknown_usd_per_gb: float = 0.12
    gigabits_per_s: float | None = None
    area: dict[str, str] = {}
    gigabits_between: dict[str, float] = {}
    kg_per_gb: dict[str, float] = {}

    @property
    def takes_time(self) -> bool:
        """Whether moving data takes time anywhere."""
        return self.gigabits_per_s is not None or bool(self.gigabits_between)

    def hours(self, source: Site, target: Site, gigabytes: float) -> float:
        """Hours that the data takes from one region to another; within a region none, and none where no speed is given."""
        return 0.0 if source == target else self.hours_between(self.area_of(source), self.area_of(target), gigabytes)

    def area_of(self, site: Site) -> str:
        """The area of a region, "" for none."""
        return self.area.get("/".join(site), "")

    def hours_between(self, source: str, target: str, gigabytes: float) -> float:
        """Hours that the data takes between two regions of these areas."""
        speed = self.gigabits_between.get(f"{source}>{target}", self.gigabits_per_s)
        return 0.0 if not speed else gigabytes * 8 / speed / 3600

    def kg(self, source: Site, target: Site, gigabytes: float) -> float:
        """Kg CO2-equivalent for moving the data; none within a region."""
        if source == target or not self.kg_per_gb:
            return 0.0
        each = self.kg_per_gb.get("/".join(source))
        return gigabytes * (max(self.kg_per_gb.values()) if each is None else each)

    def price(self, source: Site, target: Site) -> float:
        """USD per GB from one region to another; 0 within one."""
        if source == target:
            return 0.0
        known = self.usd_per_gb.get(egress_key(source, target))
        if known is None:
            known = self.usd_per_gb.get(egress_key(source, (INTERNET, "")))
        return self.unknown_usd_per_gb if known is None else known


def egress_of(rows: Iterable[tuple[str, str, str, str, float]]) -> Egress:
    """The table of (source cloud, region, target cloud, region, USD per GB) rows."""
    return Egress({egress_key((a, b), (c, d)): usd for a, b, c, d, usd in rows})
