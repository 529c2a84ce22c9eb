"""The facts as they were gathered (data/facts), read into offers and regions: the build's input, never needed at run time."""

from __future__ import annotations

import csv
import gzip
import io
import math
import os
from collections.abc import Iterable

from tradewind.catalog.access import is_burstable, is_restricted
from tradewind.catalog.attached import AddOn, Limit, with_attached
from tradewind.catalog.corrections import correct_accelerator, correct_region, correct_zones, named_place
from tradewind.catalog.equipment import equipped, read_equipment
from tradewind.catalog.errors import CatalogError
from tradewind.catalog.offer import Offer
from tradewind.catalog.provenance import ATTACHED, Provenance, aws_provenance, provenance
from tradewind.catalog.region import Region
from tradewind.catalog.risk import interruptions_per_hour

OFFER_FILES = ("aws_offers.csv.gz", "azure_offers.csv.gz", "gcp_offers.csv.gz", "lambda_offers.csv", "vast_offers.csv")
_CLOUDS = ("aws", "azure", "gcp", "lambda", "vast")


def read_rows(directory: str, name: str) -> list[dict[str, str]]:
    """The rows of one facts file, which may be gzipped."""
    with open(os.path.join(directory, name), "rb") as file:
        data = file.read()
    text = (gzip.decompress(data) if name.endswith(".gz") else data).decode("utf-8")
    return list(csv.DictReader(io.StringIO(text)))


def read_offers(directory: str) -> list[Offer]:
    """Every offer of the facts, corrected, with basis, date, risk and access; raises CatalogError for a row that cannot be right."""
    bases = {
        (row["region"], row["instance_type"]): aws_provenance(row["ondemand_basis"], row["spot_basis"])
        for row in read_rows(directory, "aws_price_basis.csv.gz")
    }
    risks = {
        (row["region"], row["instance_type"]): interruptions_per_hour(row["interruption_band"])
        for row in read_rows(directory, "aws_spot_interruption.csv.gz")
        if row["os"] == "linux"
    }
    machines = read_equipment(read_rows(directory, "machines.csv.gz"))
    offers: list[Offer] = []
    for name in OFFER_FILES:
        for line, row in enumerate(read_rows(directory, name), start=2):
            try:
                offers.append(equipped(_offer(row, bases, risks), machines))
            except (ValueError, KeyError) as error:
                raise CatalogError(
                    f"{name}:{line}: the row cannot be read ({error!r}); mend the facts and build again"
                ) from error
    return [*offers, *_attached(directory, offers)]


def _attached(directory: str, offers: list[Offer]) -> list[Offer]:
    add_ons = [
        AddOn(
            row["zone"],
            row["accelerator"],
            float(row["accelerator_count"]),
            float(row["accelerator_memory_gib"]),
            float(row["price_ondemand_usd_h"]),
            _number(row["price_spot_usd_h"]),
        )
        for row in read_rows(directory, "gcp_gpu_addons.csv")
    ]
    limits = {
        (row["accelerator"], float(row["count"])): Limit(float(row["max_vcpus"]), float(row["max_memory_gib"]))
        for row in read_rows(directory, "gcp_n1_gpu_limits.csv")
    }
    return with_attached(offers, add_ons, limits, ATTACHED)


def _offer(row: dict[str, str], bases: dict[tuple[str, str], Provenance], risks: dict[tuple[str, str], float]) -> Offer:
    cloud, region, instance_type = row["cloud"], row["region"], row["instance_type"]
    accelerator, count, memory = correct_accelerator(
        cloud,
        instance_type,
        row["accelerator"],
        _number(row["accelerator_count"]) or 0.0,
        _number(row["accelerator_memory_gib"]),
    )
    made = bases[region, instance_type] if cloud == "aws" else provenance(cloud, instance_type, accelerator, count)
    spot = _number(row["price_spot_usd_h"])
    return Offer(
        cloud=cloud,
        region=region,
        zone=row["zone"],
        instance_type=instance_type,
        arch=row["arch"],
        vcpus=_number(row["vcpus"]),
        memory_gib=_number(row["memory_gib"]),
        accelerator=accelerator,
        accelerator_count=count,
        accelerator_memory_gib=memory,
        price_ondemand_usd_h=_number(row["price_ondemand_usd_h"]),
        price_spot_usd_h=spot,
        basis=made.basis,
        spot_basis=made.spot_basis,
        date=made.date,
        restricted=is_restricted(cloud, region),
        burstable=is_burstable(cloud, instance_type),
        spot_risk_per_h=risks.get((region, instance_type)) if cloud == "aws" and spot is not None else None,
        spot_date=made.spot_date,
    )


def _number(text: str) -> float | None:
    if not text:
        return None
    value = float(text)
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"{text} is no amount")
    return value


def read_regions(directory: str, offers: Iterable[Offer] = ()) -> list[Region]:
    """The regions of the clouds that have offers, corrected, with their carbon where a source gives it; sorted.

    Regions that only `offers` name are among them, with what their names tell.
    """
    carbon = {(row["cloud"], row["region"]): float(row["gco2eq_per_kwh"]) for row in read_rows(directory, "carbon.csv")}
    regions = []
    for row in read_rows(directory, "regions.csv"):
        cloud, name = row["cloud"], row["region"]
        if cloud not in _CLOUDS:
            continue
        continent, country = correct_region(cloud, name, row["continent"], row["country"])
        located = row["latitude"] != "" and (float(row["latitude"]), float(row["longitude"])) != (0.0, 0.0)
        regions.append(
            Region(
                cloud,
                name,
                correct_zones(cloud, row["zones"]),
                continent,
                country,
                float(row["latitude"]) if located else None,
                float(row["longitude"]) if located else None,
                carbon.get((cloud, name)),
                is_restricted(cloud, name),
            )
        )
    listed = {(region.cloud, region.name) for region in regions}
    for cloud, name in {(offer.cloud, offer.region) for offer in offers} - listed:
        continent, country = named_place(cloud, name)
        regions.append(Region(cloud, name, (), continent, country))
    return sorted(regions, key=lambda region: (region.cloud, region.name))
