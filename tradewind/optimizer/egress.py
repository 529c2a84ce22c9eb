"""What moving data costs: USD per GB from region to region."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

INTERNET = "internet"

Site = tuple[str, str]  # cloud, region: data moves free within one


def egress_key(source: Site, target: Site) -> str:
    """How a pair of regions is spelt in a price table; the target ("internet", "") is anywhere."""
    return ">".join("/".join(site) for site in (source, target))


class Egress(msgspec.Struct, frozen=True):
    """Prices by `egress_key`. What no source says costs what leaving for the internet costs there, and where that is not known either
    `unknown_usd_per_gb`: unknown is never free.

    `gigabits_per_s` is the speed between any two regions; None: moving takes no time. The default price is the commonest price to the internet in the catalog's own table (31 of its 82 regions, most of them GCP's).
    """

    usd_per_gb: dict[str, float] = {}
    unknown_usd_per_gb: float = 0.12
    gigabits_per_s: float | None = None

    def hours(self, source: Site, target: Site, gigabytes: float) -> float:
        """Hours that the data takes from one region to another; within a region none, and none where no speed is given."""
        return 0.0 if source == target else self.hours_between(gigabytes)

    def hours_between(self, gigabytes: float) -> float:
        """Hours that the data takes between any two regions."""
        return 0.0 if not self.gigabits_per_s else gigabytes * 8 / self.gigabits_per_s / 3600

    def price(self, source: Site, target: Site) -> float:
        """USD per GB from one region to another; 0 within one."""
        if source == target:
            return 0.0
        for key in (egress_key(source, target), egress_key(source, (INTERNET, ""))):
            if (known := self.usd_per_gb.get(key)) is not None:
                return known
        return self.unknown_usd_per_gb


def egress_of(rows: Iterable[tuple[str, str, str, str, float]]) -> Egress:
    """The table of (source cloud, region, target cloud, region, USD per GB) rows."""
    return Egress({egress_key((a, b), (c, d)): usd for a, b, c, d, usd in rows})
