"""Errors in the facts that have one right answer, put right on the way into the snapshot, each with its reason.

Errors without one (a wrong price) are quarantined instead. The facts themselves stay as found.
"""

from __future__ import annotations

# Vast names its own listings: the facts shortened these to another product.
_VAST_ACCELERATORS = {
    "RTXA5000": "A5000",
    "RTXA6000": "A6000",
    "RTXPRO6000WS": "RTX-PRO-6000-WS",  # the workstation card, not the server edition
}
_VAST_BY_TYPE = {"RTX_3060_Ti": "RTX3060-Ti", "RTX_4060_Ti": "RTX4060-Ti", "RTX_4070S_Ti": "RTX4070S-Ti"}

# g6f and gr6f sell a part of an L4 (24 GiB); the facts hold the part's memory and a count of 0. AWS: 1/8, 1/8, 1/4, 1/2 of a GPU.
_AWS_SHARES_OF_L4 = {
    "g6f.large": 0.125,
    "g6f.xlarge": 0.125,
    "g6f.2xlarge": 0.25,
    "g6f.4xlarge": 0.5,
    "gr6f.4xlarge": 0.5,
}
_L4_GIB = 24.0

# (continent, country) where the source names another part of the world than the coordinates, or none.
_REGIONS = {
    ("azure", "brazilsoutheast"): ("South America", "BR"),
    ("azure", "denmarkeast"): ("Europe", "DK"),
    ("azure", "mexicocentral"): ("North America", "MX"),
    ("gcp", "us-central2"): ("North America", "US"),
}


def correct_accelerator(
    cloud: str, instance_type: str, name: str, count: float, memory_gib: float | None
) -> tuple[str, float, float | None]:
    """Canonical name, count and GiB per device of an offer's accelerators."""
    if cloud == "aws" and instance_type in _AWS_SHARES_OF_L4:
        return name, _AWS_SHARES_OF_L4[instance_type], _L4_GIB
    if cloud != "vast":
        return name, count, memory_gib
    for model, corrected in _VAST_BY_TYPE.items():
        if f"x-{model}-" in instance_type:
            name = corrected
    name = _VAST_ACCELERATORS.get(name, name)
    if memory_gib is not None and count:
        memory_gib = round(memory_gib / count, 1)  # the facts hold the memory of all devices together here
        if name == "A100" and memory_gib >= 79:
            name = "A100-80GB"
    return name, count, memory_gib


def correct_region(cloud: str, region: str, continent: str, country: str) -> tuple[str, str]:
    """Continent and ISO country of a region."""
    return _REGIONS.get((cloud, region), (continent, country))


# Lambda's regions, by the names and places in its documentation; a country that it does not state stays unknown.
_LAMBDA_REGIONS = {
    "asia-northeast-1": ("Asia", "JP"), "asia-northeast-2": ("Asia", "JP"), "asia-south-1": ("Asia", "IN"),
    "australia-east-1": ("Oceania", "AU"), "europe-central-1": ("Europe", "DE"), "europe-south-1": ("Europe", ""),
    "me-west-1": ("Asia", "IL"),
}  # fmt: skip
_VAST_CONTINENTS = {
    "AF": "Africa", "AS": "Asia", "EU": "Europe", "NA": "North America", "OC": "Oceania", "SA": "South America",
}  # fmt: skip


def named_place(cloud: str, region: str) -> tuple[str, str]:
    """Continent and ISO country of a region that regions.csv does not hold, where its own name or its cloud's documentation tells; else ""."""
    if cloud == "lambda":
        return ("North America", "US") if region.startswith("us-") else _LAMBDA_REGIONS.get(region, ("", ""))
    parts = [part.strip() for part in region.split(",")]
    if cloud == "vast" and len(parts) >= 2 and parts[-1] in _VAST_CONTINENTS and len(parts[-2]) == 2:
        return _VAST_CONTINENTS[parts[-1]], parts[-2]  # "Denmark, DK, EU"
    return "", ""


def correct_zones(cloud: str, zones: str) -> tuple[str, ...]:
    """The zones of a region; Azure's "0" stands for no zone at all."""
    return tuple(zone for zone in zones.split(";") if zone and not (cloud == "azure" and zone == "0"))
