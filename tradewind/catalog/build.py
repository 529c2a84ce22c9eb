"""`python -m tradewind.catalog.build FACTS DATA`: the facts become the shipped snapshot, byte for byte the same on every machine."""

from __future__ import annotations

import os
import sys
from statistics import median

import msgspec

from tradewind.catalog.errors import CatalogError
from tradewind.catalog.facts import read_offers, read_regions, read_rows
from tradewind.catalog.offer import Offer
from tradewind.catalog.quarantine import Quarantined, quarantine
from tradewind.catalog.region import Region
from tradewind.catalog.snapshot import Manifest, digest_of, encode_csv, encode_tables, write_file
from tradewind.catalog.tables import split

FORMAT = 2
_TRACE_COLUMNS = ("trace", "zone", "time_s", "available")


def build(facts: str, data: str) -> Manifest:
    """Write the whole snapshot of the facts in directory `facts` into directory `data`. Raises CatalogError for facts that cannot be right."""
    os.makedirs(data, exist_ok=True)
    offers, apart = quarantine(read_offers(facts))
    files = encode_tables(split(offers))
    manifest = Manifest(
        format=FORMAT,
        date=max(offer.date for offer in offers),
        digest=digest_of(files.values()),
        offers=len(offers),
        quarantined=len(apart),
        clouds=tuple(sorted({offer.cloud for offer in offers})),
    )
    regions = read_regions(facts, offers)
    files["regions.csv"] = _encode_regions(regions)
    files["quarantined.csv"] = _encode_quarantined(apart)
    files["egress.csv.xz"] = _encode_facts(facts, "egress.csv.gz")
    files["network_speeds.csv"] = _encode_speeds(facts, regions)
    files["accelerators.csv"] = _encode_facts(facts, "accelerators.csv")
    files["spot_traces_index.csv"] = _encode_facts(facts, "spot_traces_index.csv")
    files["spot_traces.csv.xz"] = _encode_traces(facts)
    files["manifest.json"] = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
    for name, content in files.items():
        write_file(data, name, content)
    return manifest


def _encode_regions(regions: list[Region]) -> bytes:
    columns = Region.__struct_fields__
    return encode_csv(columns, map(_cells, regions))


def _cells(value: msgspec.Struct) -> list[object]:
    return [
        ";".join(v) if isinstance(v, tuple) else int(v) if isinstance(v, bool) else v
        for v in msgspec.structs.astuple(value)
    ]


def _encode_speeds(facts: str, regions: list[Region]) -> bytes:
    """The median of what was measured between the regions of each two areas, both in the clouds' own networks where there is a choice."""
    area = {(r.cloud, r.name): f"{r.cloud}/{r.continent}" for r in regions if r.continent}
    measured: dict[tuple[str, str], list[float]] = {}
    for row in read_rows(facts, "throughput.csv.gz"):
        ends = (row["src_cloud"], row["src_region"]), (row["dst_cloud"], row["dst_region"])
        if (
            ends[0] != ends[1]
            and all(end in area for end in ends)
            and "standard" not in (row["src_tier"], row["dst_tier"])
        ):
            measured.setdefault((area[ends[0]], area[ends[1]]), []).append(float(row["gbps_mean"]))
    rows = [(*pair, round(median(speeds), 4), len(speeds)) for pair, speeds in sorted(measured.items())]
    return encode_csv(("source", "target", "gigabits_per_s", "pairs"), rows)


def _encode_quarantined(apart: list[Quarantined]) -> bytes:
    columns = (*Offer.__struct_fields__, "reason")
    rows = [(*_cells(entry.offer), entry.reason) for entry in apart]
    return encode_csv(columns, sorted(rows, key=str))


def _encode_facts(facts: str, name: str) -> bytes:
    rows = read_rows(facts, name)
    return encode_csv(rows[0], (row.values() for row in rows))


def _encode_traces(facts: str) -> bytes:
    names = dict.fromkeys(row["trace"] for row in read_rows(facts, "spot_traces_index.csv"))
    rows = (
        (name, row["zone"], row["time_s"], row["available"])
        for name in names
        for row in read_rows(facts, f"spot_trace_{name}.csv.gz")
    )
    return encode_csv(_TRACE_COLUMNS, rows)


def main(arguments: list[str]) -> int:
    """Build and say what was built; 2 for wrong arguments or facts."""
    if len(arguments) != 2:
        print("usage: python -m tradewind.catalog.build FACTS_DIRECTORY DATA_DIRECTORY", file=sys.stderr)
        return 2
    try:
        manifest = build(*arguments)
    except (CatalogError, OSError) as error:
        print(f"catalog build: {error}", file=sys.stderr)
        return 2
    size = sum(os.path.getsize(os.path.join(arguments[1], name)) for name in os.listdir(arguments[1]))
    print(
        f"{manifest.offers:,} offers of {', '.join(manifest.clouds)}, {manifest.quarantined} quarantined, {size / 1e6:.2f} MB in {arguments[1]}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
