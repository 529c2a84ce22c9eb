"""What of a catalog is not believed, not known, or a person's own."""

from __future__ import annotations

import datetime as dt

import msgspec

from tradewind.catalog.age import age_note
from tradewind.catalog.catalog import Catalog
from tradewind.catalog.filter import OfferFilter
from tradewind.catalog.imports import read_own_offers
from tradewind.catalog.quarantine import Quarantined


class Imported(msgspec.Struct, frozen=True):
    """A person's own offers: their name, the day of their prices (YYYY-MM-DD), how many, and the file."""

    name: str
    date: str
    offers: int
    path: str


class Checkup(msgspec.Struct, frozen=True):
    """Offers set aside, imports, accelerators on offer without a datasheet, regions without a country or a carbon figure, how many types of each
    cloud have no known local disk and network; `age` is a sentence where the prices are old.
    """

    set_aside: tuple[Quarantined, ...]
    imports: tuple[Imported, ...]
    accelerators_without_datasheet: tuple[str, ...]
    regions_without_country: tuple[str, ...]
    regions_without_carbon: tuple[str, ...]
    types_without_disk: dict[str, int]
    types_without_network: dict[str, int]
    age: str

    def sentences(self) -> list[str]:
        """What is not known, for a person to read."""
        said = []
        if self.accelerators_without_datasheet:
            said.append(
                f"No datasheet figures: {', '.join(self.accelerators_without_datasheet)}. A limit on them leaves these out."
            )
        if self.regions_without_country:
            said.append(
                f"Country not known: {', '.join(self.regions_without_country)}. A limit on place leaves these out."
            )
        if self.regions_without_carbon:
            said.append(
                f"Carbon not known in {len(self.regions_without_carbon)} regions (--json names them). A limit on carbon leaves these out."
            )
        for what, types in (("Local disk", self.types_without_disk), ("Network", self.types_without_network)):
            if types:
                counted = ", ".join(f"{count:,} on {cloud}" for cloud, count in sorted(types.items()))
                said.append(f"{what} not known of these many types: {counted}. A limit on it leaves these out.")
        if self.age:
            said.append(f"{self.age[0].upper()}{self.age[1:]}.")
        return said


def examine(catalog: Catalog, today: dt.date) -> Checkup:
    """The checkup of an open catalog on a day."""
    places = [(cloud, region) for cloud in catalog.clouds() for region in catalog.regions(cloud)]
    regions = [catalog.region(*place) for place in places]
    everything = OfferFilter(
        use_spot=None, restricted=True, burstable=True, min_local_disk_gb=0.0, min_network_gbps=0.0
    )
    unknown = catalog.unknown_equipment(everything)
    return Checkup(
        set_aside=tuple(catalog.quarantined()),
        imports=tuple(
            Imported(entry.name, entry.date, len(read_own_offers(entry)), entry.path) for entry in catalog.imports
        ),
        accelerators_without_datasheet=tuple(
            name for name in catalog.accelerator_names() if name not in catalog.accelerator_facts
        ),
        regions_without_country=tuple(f"{r.cloud}/{r.name}" for r in regions if not r.country),
        regions_without_carbon=tuple(f"{r.cloud}/{r.name}" for r in regions if r.gco2eq_per_kwh is None),
        types_without_disk=unknown.get("local disk", {}),
        types_without_network=unknown.get("network", {}),
        age=age_note(catalog.date, today),
    )
