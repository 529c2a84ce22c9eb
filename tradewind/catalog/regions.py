"""The regions and the quarantine of the shipped snapshot, read from its files."""

from __future__ import annotations

from typing import cast

from tradewind.catalog.filter import OfferFilter
from tradewind.catalog.offer import Basis, DiskKind, Offer, features_of
from tradewind.catalog.quarantine import Quarantined
from tradewind.catalog.region import Region
from tradewind.catalog.snapshot import DATA_DIRECTORY, read_rows


def read_regions(directory: str = DATA_DIRECTORY) -> list[Region]:
    """The regions of the clouds that have offers, sorted by cloud and name."""
    return [_region(row) for row in read_rows("regions.csv", directory)]


def keeps(region: Region, wanted: OfferFilter) -> bool:
    """Whether the region keeps the filter's limits on continent, country and carbon; what is unknown keeps none."""

    def among(value: str, limits: tuple[str, ...]) -> bool:
        return not limits or (value != "" and value.lower() in {limit.lower() for limit in limits})

    clean = wanted.max_gco2eq_per_kwh is None or (
        region.gco2eq_per_kwh is not None and region.gco2eq_per_kwh <= wanted.max_gco2eq_per_kwh
    )
    return clean and among(region.continent, wanted.continents) and among(region.country, wanted.countries)


def _region(row: list[str]) -> Region:
    cloud, name, zones, continent, country, latitude, longitude, carbon, restricted = row
    return Region(
        cloud,
        name,
        tuple(zones.split(";")) if zones else (),
        continent,
        country,
        _number(latitude),
        _number(longitude),
        _number(carbon),
        restricted == "1",
    )


def read_quarantined(directory: str = DATA_DIRECTORY) -> list[Quarantined]:
    """The offers set apart when the snapshot was built, each with its reason."""
    return [_quarantined(row) for row in read_rows("quarantined.csv", directory)]


def _quarantined(row: list[str]) -> Quarantined:
    cloud, region, zone, instance_type, arch, vcpus, memory, accelerator, count, accelerator_memory, *rest = row
    ondemand, spot, basis, spot_basis, date, restricted, burstable, risk, spot_date, *equipment, reason = rest
    disk_gb, disk_kind, network, features = equipment
    offer = Offer(
        cloud,
        region,
        zone,
        instance_type,
        arch,
        _number(vcpus),
        _number(memory),
        accelerator,
        float(count),
        _number(accelerator_memory),
        _number(ondemand),
        _number(spot),
        cast("Basis", basis),
        cast("Basis", spot_basis),
        date,
        restricted == "1",
        burstable == "1",
        _number(risk),
        spot_date,
        _number(disk_gb),
        cast("DiskKind", disk_kind),
        _number(network),
        features_of(features),
    )
    return Quarantined(offer, reason)


def _number(text: str) -> float | None:
    return float(text) if text else None
