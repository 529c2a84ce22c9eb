"""What a person waits for at the front door: many task files validated, a large work directory copied again, a long status."""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

TRADEWIND = str(pathlib.Path(sys.executable).with_name("tradewind"))
FILES = 200
SMALL_FILES = 10_000
CLUSTERS = 1_000
TASK = """name: t{n}
num_nodes: 2
envs: {{LR: 0.1, SEED: {n}}}
resources:
  any_of:
    - {{infra: aws/us-east-1, cpus: 8+, memory: 32+, use_spot: true}}
    - {{infra: gcp, accelerators: "A100:8"}}
  disk_size: 256
  ports: [8080, 9000-9010]
  autostop: {{idle_minutes: 10, down: true}}
file_mounts: {{~/data: .}}
setup: pip install -r requirements.txt
run: |
  python train.py --lr $LR --seed $SEED
"""


def seconds(command: list[str], env: dict[str, str], cwd: pathlib.Path) -> float:
    """The wall seconds of one command."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env, cwd=cwd)
    return time.perf_counter() - began


def validation(work: pathlib.Path, env: dict[str, str]) -> float:
    """Seconds for FILES task files in one process."""
    for n in range(FILES):
        (work / f"t{n}.yaml").write_text(TASK.format(n=n))
    files = [f"t{n}.yaml" for n in range(FILES)]
    return min(seconds([TRADEWIND, "validate", *files], env, work) for _ in range(3))


def uploads(work: pathlib.Path, env: dict[str, str]) -> tuple[float, float]:
    """Seconds of an exec with a work directory of SMALL_FILES files: the second time, one changed; and of one without any."""
    tree = work / "tree"
    for n in range(SMALL_FILES):
        if n % 100 == 0:
            (tree / str(n // 100)).mkdir(parents=True)
        (tree / str(n // 100) / f"{n}.txt").write_text(f"{n}\n" * 20)
    (work / "run.yaml").write_text("resources: {infra: local}\nworkdir: tree\nrun: cat 0/0.txt\n")
    (work / "bare.yaml").write_text("resources: {infra: local}\nrun: echo\n")
    seconds([TRADEWIND, "launch", "run.yaml", "-c", "many"], env, work)
    again, bare = [], []
    for n in range(5):
        (tree / "50" / "5050.txt").write_text(f"changed {n}\n")
        again.append(seconds([TRADEWIND, "exec", "many", "run.yaml"], env, work))
        bare.append(seconds([TRADEWIND, "exec", "many", "bare.yaml"], env, work))
    seconds([TRADEWIND, "down", "many", "-y"], env, work)
    return statistics.median(again), statistics.median(bare)


def long_status(work: pathlib.Path, env: dict[str, str]) -> float:
    """Median milliseconds of `status` with CLUSTERS stopped clusters in the record."""
    subprocess.run([TRADEWIND, "api", "stop"], check=True, stdout=subprocess.DEVNULL, env=env)
    fill(env["TRADEWIND_DATA_DIR"])
    seconds([TRADEWIND, "status"], env, work)
    return statistics.median(seconds([TRADEWIND, "status"], env, work) for _ in range(7)) * 1000


def fill(data_dir: str) -> None:
    """The record holds CLUSTERS stopped clusters of one instance each."""
    from tradewind.broker.store import rows
    from tradewind.broker.store.database import Store
    from tradewind.broker.store.records import InstanceRow, Options
    from tradewind.catalog import OfferFilter, open_catalog
    from tradewind.optimizer.plan import RankedCandidate
    from tradewind.spec import Task

    with open_catalog() as catalog:
        offer = catalog.offers(OfferFilter(clouds=("aws",)), 1)[0]
    place = RankedCandidate(
        "t", offer.cloud, offer.region, offer.zone, offer.instance_type, False, offer.price_ondemand_usd_h or 0.0, "", offer
    )  # fmt: skip
    store = Store(data_dir)

    def write(connection: object) -> None:
        for n in range(CLUSTERS):
            cluster_id = rows.insert_cluster(
                connection, name=f"c{n}", state="STOPPED", task=Task(name="t", run="x"), candidates=(place,), place=place,  # type: ignore[arg-type]
                options=Options(), hourly_usd="0.1", created_unix=1.0, tries=1,
            )  # fmt: skip
            row = InstanceRow(
                id=f"i-{n}", cluster_id=cluster_id, rank=0, tries=1, token=f"t{n}", tags={}, provider="aws", provider_id=f"p{n}", address="",
                offer=offer, use_spot=False, price_usd_h="0.1", state="STOPPED", lease_until_unix=0.0, agent_seq=0, created_unix=1.0,
                launched_unix=1.0, ended_unix=None, reason="",
            )  # fmt: skip
            rows.insert_instance(connection, row)  # type: ignore[arg-type]

    store.write(write)
    store.close()


def measure() -> list[dict[str, object]]:
    """Rows of what, value, unit, goal."""
    kept = {
        name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
    }  # as where it is installed
    with tempfile.TemporaryDirectory() as directory:
        work = pathlib.Path(directory)
        env = {**kept, "TRADEWIND_DATA_DIR": str(work / "data")}
        try:
            valid = validation(work, env)
            again, bare = uploads(work, env)
            status = long_status(work, env)
        finally:
            subprocess.run([TRADEWIND, "api", "stop"], check=True, stdout=subprocess.DEVNULL, env=env)
    return [
        {"what": f"validate {FILES} task files in one process", "value": round(valid, 2), "unit": "s", "goal": 2},
        {"what": f"exec with {SMALL_FILES} small files, one changed", "value": round(again, 2), "unit": "s", "goal": None},
        {"what": "exec without files", "value": round(bare, 2), "unit": "s", "goal": None},
        {"what": "the copy alone: their difference", "value": round(again - bare, 2), "unit": "s", "goal": 1},
        {"what": f"status of {CLUSTERS} clusters", "value": round(status, 0), "unit": "ms", "goal": 300},
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    rows = measure()
    if parser.parse_args().json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        goal = "" if row["goal"] is None else f"   goal {row['goal']}"
        print(f"{row['what']:<50}{row['value']:>9} {row['unit']}{goal}")


if __name__ == "__main__":
    main()
