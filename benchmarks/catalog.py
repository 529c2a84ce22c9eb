"""The catalog: making its index, opening it, and the first hundred offers by price under many filters."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from tradewind.catalog import Catalog, OfferFilter, PlacePattern, open_catalog

TARGETS = {"build_s": 5.0, "open_ms": 5.0, "first_100_ms": 20.0, "cheapest_per_place_ms": 20.0}
FILTERS = {
    "everything": OfferFilter(),
    "spot": OfferFilter(use_spot=True),
    "2+ vCPU, 4+ GiB, x86, spot": OfferFilter(
        min_vcpus=2, min_memory_gib=4, archs=("x86_64",), no_accelerator=True, use_spot=True
    ),
    "8 vCPU and 32 GiB exactly": OfferFilter(min_vcpus=8, max_vcpus=8, min_memory_gib=32, max_memory_gib=32),
    "16 to 64 vCPU, spot": OfferFilter(min_vcpus=16, max_vcpus=64, use_spot=True),
    "192+ vCPU, spot": OfferFilter(min_vcpus=192, use_spot=True),
    "8 GiB or more per vCPU": OfferFilter(min_memory_gib_per_vcpu=8, no_accelerator=True),
    "H100:8": OfferFilter(accelerator="H100", accelerator_count=8),
    "T4, spot": OfferFilter(accelerator="T4", use_spot=True),
    "one region": OfferFilter(region="us-east-1"),
    "one zone, spot": OfferFilter(zone="us-east1-b", use_spot=True),
    "arm64": OfferFilter(archs=("arm64",)),
    "under 0.05 USD/h": OfferFilter(max_price_usd_h=0.05),
    "two clouds excluded": OfferFilter(
        min_vcpus=2,
        use_spot=True,
        excluded=(PlacePattern("azure"), PlacePattern("gcp"), PlacePattern("aws", "us-east-1", "", "m5.large")),
    ),
    "either market, all": OfferFilter(use_spot=None, restricted=True, burstable=True),
    "nothing fits": OfferFilter(min_vcpus=100_000),
}


def milliseconds(action: Callable[[], object], times: int = 7) -> float:
    """The median of several runs."""
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        action()
        spent.append(time.perf_counter() - began)
    return statistics.median(spent) * 1000


def fresh_process_ms() -> float:
    """From starting Python to the first hundred offers, imports included."""
    code = "from tradewind.catalog import OfferFilter, open_catalog\nwith open_catalog() as c: c.offers(OfferFilter(), 100)"
    return milliseconds(lambda: subprocess.run([sys.executable, "-c", code], check=True), times=5)


def measure(catalog: Catalog) -> dict[str, dict[str, float]]:
    found = {}
    for name, wanted in FILTERS.items():
        began = time.perf_counter()
        matches = len(catalog.offers(wanted, 100))
        first = (time.perf_counter() - began) * 1000
        found[name] = {
            "first_ms": first,
            "ms": milliseconds(lambda w=wanted: catalog.offers(w, 100)),
            "offers": matches,
        }
        if wanted.use_spot is not None:
            found[name]["per_place_ms"] = milliseconds(lambda w=wanted: catalog.cheapest_per_place(w))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = cache
        began = time.perf_counter()
        open_catalog().close()
        built = time.perf_counter() - began
        opened = milliseconds(lambda: open_catalog().close())
        with open_catalog() as catalog:
            filters = measure(catalog)
            offers = catalog.count()
        report: dict[str, Any] = {
            "offers": offers,
            "build_s": built,
            "open_ms": opened,
            "fresh_process_ms": fresh_process_ms(),
            "first_100_ms": max(max(each["first_ms"], each["ms"]) for each in filters.values()),
            "cheapest_per_place_ms": max(each.get("per_place_ms", 0.0) for each in filters.values()),
            "filters": filters,
        }
    missed = [name for name, target in TARGETS.items() if report[name] > target]
    if arguments.json:
        print(json.dumps(report | {"targets": TARGETS, "missed": missed}, indent=2))
        return 1 if missed else 0
    print(f"{offers:,} offers; first use builds the index in {built:.2f} s, later {opened:.2f} ms to open")
    print(f"a fresh process to its first 100 offers: {report['fresh_process_ms']:.0f} ms")
    print(f"{'filter':28} {'offers':>6} {'first':>8} {'again':>8} {'per place':>10}   (ms)")
    for name, each in filters.items():
        per_place = f"{each['per_place_ms']:10.1f}" if "per_place_ms" in each else f"{'':10}"
        print(f"{name:28} {each['offers']:6.0f} {each['first_ms']:8.1f} {each['ms']:8.1f} {per_place}")
    for name, target in TARGETS.items():
        print(f"{name}: {report[name]:.2f} (at most {target:g}){'  MISSED' if name in missed else ''}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
