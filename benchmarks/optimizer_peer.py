"""SkyPilot's optimizer on the same offers, in an environment of its own, beside ours: seconds and USD/hour; part of `make bench-optimizer`.

Without SkyPilot it says why and ends well. `--install` makes the environment (some 400 MB under benchmarks/results); `--python` names one that is there.
Every offer of AWS, Azure and Google goes over, less restricted and burstable ones and GCP's N1 with attached accelerators, which SkyPilot keeps in another form.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from tradewind.broker.planner import plan_task
from tradewind.catalog import Catalog, OfferFilter, open_catalog
from tradewind.spec.task import AcceleratorRequest, Quantity, Resources, Task

VERSION = "0.14.1"
HOME = pathlib.Path(__file__).resolve().parent / "results" / "skypilot"
CLOUDS = ("aws", "azure", "gcp")
# cpus, accelerators, spot: as SkyPilot's Resources take them
REQUESTS: tuple[tuple[str | None, str | None, bool], ...] = (
    ("4+", None, False),
    ("16+", None, True),
    ("64+", None, True),
    (None, "A100:8", False),
    (None, "H100:8", True),
    (None, "L4:1", True),
)
# Runs under SkyPilot's interpreter; its check of credentials and its mapping of zones to an account are answered for it.
PEER = """
import json, sys, time, warnings
warnings.filterwarnings("ignore")
import sky
from sky import check, clouds, optimizer
from sky.catalog import aws_catalog
aws_catalog._get_df = lambda: aws_catalog._default_df._load_df()
there = [clouds.AWS(), clouds.Azure(), clouds.GCP()]
check.get_cached_enabled_clouds_or_refresh = lambda *a, **k: there
rows = []
for cpus, accelerators, spot in json.loads(sys.argv[1]):
    def once():
        with sky.Dag() as dag:
            task = sky.Task(run="true")
            task.set_resources(sky.Resources(cpus=cpus, accelerators=accelerators, use_spot=spot))
        began = time.perf_counter()
        optimizer.Optimizer.optimize(dag, quiet=True)
        return time.perf_counter() - began, task.best_resources
    try:
        once()
        runs = [once() for _ in range(3)]
        rows.append({"seconds": sorted(r[0] for r in runs)[1], "usd_h": runs[0][1].get_cost(3600), "what": str(runs[0][1])})
    except Exception as err:
        rows.append({"why": f"{type(err).__name__}: {err}"[:300]})
print("ROWS" + json.dumps(rows))
"""


def export(catalog: Catalog, home: pathlib.Path) -> int:
    """The offers as SkyPilot's catalogs under `home`; how many there are."""
    count = 0
    shared = home / ".sky" / "catalogs" / "v8" / "common"
    shared.mkdir(parents=True)
    (shared / "accelerators.csv").write_text(
        "AcceleratorName,Clouds\n" + "".join(f'{name},"AWS,Azure,GCP"\n' for name in catalog.accelerator_names())
    )
    for cloud in CLOUDS:
        folder = home / ".sky" / "catalogs" / "v8" / cloud
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / "vms.csv", "w", newline="") as file:
            out = csv.writer(file)
            out.writerow(
                [
                    "InstanceType",
                    "AcceleratorName",
                    "AcceleratorCount",
                    "vCPUs",
                    "MemoryGiB",
                    "GpuInfo",
                    "Price",
                    "SpotPrice",
                    "Region",
                    "AvailabilityZone",
                    "Generation",
                    "Arch",
                ]
            )
            for o in catalog.offers(OfferFilter(clouds=(cloud,), use_spot=None, archs=("x86_64",))):
                if "+" in o.instance_type or o.vcpus is None or o.memory_gib is None:
                    continue
                gpu = (o.accelerator, o.accelerator_count) if o.accelerator else ("", "")
                prices = [p if p is not None else "" for p in (o.price_ondemand_usd_h, o.price_spot_usd_h)]
                zone = o.zone or (f"{o.region}-a" if cloud == "gcp" else f"{o.region}a" if cloud == "aws" else "")
                out.writerow([o.instance_type, *gpu, o.vcpus, o.memory_gib, "", *prices, o.region, zone, "V2", o.arch])
                count += 1
    return count


def ours(catalog: Catalog) -> list[tuple[float, float | None]]:
    """Our median seconds and USD/hour of each request over the same clouds, warm."""
    rows = []
    for cpus, accelerators, spot in REQUESTS:
        name, _, number = (accelerators or "").partition(":")
        wanted = Resources(
            cpus=Quantity(float(cpus.rstrip("+")), at_least=True) if cpus else None,
            accelerators=(AcceleratorRequest(name, float(number)),) if name else (),
            use_spot=spot,
        )
        walls, plan = [], None
        for _ in range(4):
            began = time.perf_counter()
            plan = plan_task(Task(resources=(wanted,)), catalog, clouds=CLOUDS)
            walls.append(time.perf_counter() - began)
        rows.append((statistics.median(walls[1:]), plan.hourly_usd if plan and plan.feasible else None))
    return rows


def interpreter(given: str | None, *, install: bool) -> tuple[str, str]:
    """SkyPilot's interpreter and "", or "" and why there is none."""
    python = given or str(HOME / "venv" / "bin" / "python")
    if not os.path.exists(python) and install:
        HOME.mkdir(parents=True, exist_ok=True)
        print(f"installing SkyPilot {VERSION} into {HOME}", file=sys.stderr)
        for command in (
            [sys.executable, "-m", "venv", str(HOME / "venv")],
            [python, "-m", "pip", "install", "--quiet", f"skypilot=={VERSION}"],
        ):
            ran = subprocess.run(command, check=False, capture_output=True, text=True)
            if ran.returncode:
                return "", f"it cannot be installed: {(ran.stderr.strip().splitlines() or ['no reason given'])[-1]}"
    if not os.path.exists(python):
        return "", "it is not installed; --install makes an environment for it"
    return python, ""


def peer(python: str, home: pathlib.Path) -> list[dict[str, object]]:
    """What SkyPilot answers to each request."""
    env = {**os.environ, "HOME": str(home), "PYTHONWARNINGS": "ignore", "SKYPILOT_DISABLE_USAGE_COLLECTION": "1"}
    ran = subprocess.run(
        [python, "-c", PEER, json.dumps(REQUESTS)], check=False, capture_output=True, text=True, env=env, timeout=600
    )
    found = [line for line in ran.stdout.splitlines() if line.startswith("ROWS")]
    if not found:
        why = (ran.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return [{"why": why[:300]} for _ in REQUESTS]
    rows: list[dict[str, object]] = json.loads(found[-1][4:])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--install", action="store_true")
    parser.add_argument("--python", help="an interpreter that has SkyPilot")
    options = parser.parse_args()
    python, why = interpreter(options.python, install=options.install)
    if why:
        print(f"SkyPilot is not beside us: {why}", file=sys.stderr)
        if options.json:
            print("[]")
        return
    with tempfile.TemporaryDirectory() as home, open_catalog() as catalog:
        offers = export(catalog, pathlib.Path(home))
        mine, theirs = ours(catalog), peer(python, pathlib.Path(home))
    rows: list[dict[str, object]] = []
    if not options.json:
        print(
            f"{offers:,} offers; SkyPilot {VERSION}\n{'request':<24}{'ours s':>9}{'theirs s':>10}{'speed':>8}{'ours USD/h':>12}{'theirs':>9}"
        )
    for request, (seconds, usd_h), found in zip(REQUESTS, mine, theirs, strict=True):
        what = ", ".join(
            str(part)
            for part in (request[0] and f"cpus {request[0]}", request[1], "spot" if request[2] else "")
            if part
        )
        if "why" in found or usd_h is None:
            print(f"{what}: SkyPilot gave no plan: {found.get('why', '')}", file=sys.stderr)
            continue
        their_s, their_usd = float(str(found["seconds"])), float(str(found["usd_h"]))
        rows.append({"what": f"{what}: SkyPilot's time to ours", "value": their_s / seconds, "unit": "", "goal": None})
        rows.append({"what": f"{what}: SkyPilot's price to ours", "value": their_usd / usd_h, "unit": "", "goal": None})
        if not options.json:
            print(f"{what:<24}{seconds:>9.4f}{their_s:>10.3f}{their_s / seconds:>7.0f}x{usd_h:>12.4f}{their_usd:>9.4f}")
    if options.json:
        print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
