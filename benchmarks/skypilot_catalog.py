"""Our offers in the form of SkyPilot's catalogs, for `optimizer_peer.py`.

At Google, SkyPilot prices an accelerator and its machine apart. A machine with built-in accelerators goes over with its whole price on the machine and
nothing on the accelerator; N1 machines with the accelerators attached to them as the machine's price and the difference. TPU slices are left out: there
SkyPilot adds a host of its own.
"""

from __future__ import annotations

import csv
import pathlib

from tradewind.catalog import Catalog, OfferFilter
from tradewind.catalog.offer import Offer

CLOUDS = ("aws", "azure", "gcp")
_HEAD = (
    "InstanceType", "AcceleratorName", "AcceleratorCount", "vCPUs", "MemoryGiB", "GpuInfo", "Price", "SpotPrice", "Region", "AvailabilityZone",
    "Generation", "Arch",
)  # fmt: skip
Row = tuple[object, ...]


def export(catalog: Catalog, home: pathlib.Path) -> int:
    """The offers as SkyPilot's catalogs under `home`; how many rows there are."""
    root = home / ".sky" / "catalogs" / "v8"
    shared = root / "common"
    shared.mkdir(parents=True)
    (shared / "accelerators.csv").write_text(
        "AcceleratorName,Clouds\n" + "".join(f'{name},"AWS,Azure,GCP"\n' for name in catalog.accelerator_names())
    )
    count = 0
    for cloud in CLOUDS:
        offers = catalog.offers(OfferFilter(clouds=(cloud,), use_spot=None, archs=("x86_64",)))
        sized = [o for o in offers if o.vcpus is not None and o.memory_gib is not None]
        rows = (
            _gcp(sized)
            if cloud == "gcp"
            else [_row(o, o.zone or (f"{o.region}a" if cloud == "aws" else "")) for o in sized]
        )
        (root / cloud).mkdir(exist_ok=True)
        with open(root / cloud / "vms.csv", "w", newline="") as file:
            out = csv.writer(file)
            out.writerow(_HEAD)
            out.writerows(rows)
        count += len(rows)
    return count


def _priced(price: float | None) -> object:
    return "" if price is None else price


def _row(o: Offer, zone: str, *, bare: bool = False) -> Row:
    gpu = (o.accelerator, o.accelerator_count) if o.accelerator and not bare else ("", "")
    prices = (_priced(o.price_ondemand_usd_h), _priced(o.price_spot_usd_h))
    return (o.instance_type, *gpu, o.vcpus, o.memory_gib, "", *prices, o.region, zone, "V2", o.arch)


def _gcp(offers: list[Offer]) -> list[Row]:
    rows: list[Row] = []
    alone = {(o.instance_type, o.region, o.zone): o for o in offers if "+" not in o.instance_type}
    accelerators: dict[tuple[str, float, str, str], tuple[object, object]] = {}
    for o in offers:
        zone = o.zone or f"{o.region}-a"
        key = (o.accelerator, o.accelerator_count, o.region, zone)
        if "+" not in o.instance_type:
            rows.append(_row(o, zone, bare=True))
            if o.accelerator:
                accelerators[key] = (
                    0.0 if o.price_ondemand_usd_h is not None else "",
                    0.0 if o.price_spot_usd_h is not None else "",
                )
        elif key not in accelerators:
            host = alone.get((o.instance_type.partition("+")[0], o.region, o.zone))
            if host is not None:
                accelerators[key] = (
                    _less(o.price_ondemand_usd_h, host.price_ondemand_usd_h),
                    _less(o.price_spot_usd_h, host.price_spot_usd_h),
                )
    rows += (
        ("", name, count, "", "", f"{name}", *prices, region, zone, "V2", "x86_64")
        for (name, count, region, zone), prices in sorted(accelerators.items())
    )
    return rows


def _less(whole: float | None, part: float | None) -> object:
    return "" if whole is None or part is None else round(whole - part, 6)
