"""How each price in the facts was made, and when: basis and date by source, from data/facts/SOURCES.md."""

from __future__ import annotations

import msgspec

from tradewind.catalog.offer import Basis


class Provenance(msgspec.Struct, frozen=True, order=True):
    """Basis and day of an offer's on-demand and spot price."""

    basis: Basis
    spot_basis: Basis
    date: str
    spot_date: str


_EXACT, _LIST, _DERIVED = "2026-07-20", "2025-03-02", "2025-03-02"
_ADVISOR = "2025-06-28"
_PER_ZONE = "2025-11-01"  # the source's day is not known; it lists a type first sold that month

_AWS_ON_DEMAND: dict[str, tuple[Basis, str]] = {
    "exact": ("exact", _EXACT),
    "catalog": ("exact", _PER_ZONE),
    "list": ("list", _LIST),
    "ratio": ("derived", _DERIVED),
}
_AWS_SPOT: dict[str, tuple[Basis, str]] = {
    "az": ("exact", _PER_ZONE),
    "advisor": ("derived", _ADVISOR),
    "": ("derived", ""),
}
_OTHERS = {"gcp": "2026-08-03", "azure": "2026-05-20", "lambda": "2026-05-07", "vast": "2026-04-29"}
_GCP_ASSEMBLED = "2026-05-20"
_GCP_DERIVED_TYPES = (
    "a3-megagpu-8g",
    "a3-ultragpu-8g",
    "a4-highgpu-8g",
)  # machine and accelerators priced apart and added
ATTACHED = Provenance("derived", "derived", _GCP_ASSEMBLED, _GCP_ASSEMBLED)  # an N1 machine and its accelerators, added
# Chips on one host: a larger slice's price is computed from the price per chip.
_TPU_CHIPS_A_HOST = {"tpu-v2": 4, "tpu-v3": 4, "tpu-v4": 4, "tpu-v5p": 4, "tpu-v5e": 8, "tpu-v6e": 8}


def aws_provenance(ondemand_basis: str, spot_basis: str) -> Provenance:
    """For a row of aws_price_basis; raises KeyError for a basis that SOURCES.md does not name."""
    basis, date = _AWS_ON_DEMAND[ondemand_basis]
    spot, spot_date = _AWS_SPOT[spot_basis]
    return Provenance(basis, spot, date, spot_date)


def provenance(cloud: str, instance_type: str, accelerator: str, accelerator_count: float) -> Provenance:
    """For an offer of any other cloud; raises KeyError for a cloud that SOURCES.md does not name."""
    date = _OTHERS[cloud]
    basis: Basis = "list"
    if cloud == "gcp" and instance_type in _GCP_DERIVED_TYPES:
        basis, date = "derived", _GCP_ASSEMBLED
    elif cloud == "gcp" and accelerator in _TPU_CHIPS_A_HOST:
        date = _GCP_ASSEMBLED
        if accelerator_count > _TPU_CHIPS_A_HOST[accelerator]:
            basis = "derived"
    return Provenance(basis, basis, date, date)
