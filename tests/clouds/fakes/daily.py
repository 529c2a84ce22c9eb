"""A day at a cloud of somebody who has set nothing at all: the installed commands and the daemon that they start, where the vendors' names lead."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from tradewind.catalog.offer import Offer

COLUMNS = (
    "cloud", "region", "zone", "instance_type", "arch", "vcpus", "memory_gib", "accelerator", "accelerator_count",
    "accelerator_memory_gib", "price_ondemand_usd_h", "price_spot_usd_h",
)  # fmt: skip
DEADLINE_S = 90.0


def day(offer: Offer, live: Callable[[], int]) -> dict[str, Any]:
    """`check`, a launch that goes as far as it can where no machine is, and `down`; what was seen on the way."""
    home = pathlib.Path.cwd()
    cells = (getattr(offer, name) for name in COLUMNS)
    (home / "offers.csv").write_text(
        ",".join(COLUMNS) + "\n" + ",".join("" if cell is None else str(cell) for cell in cells) + "\n"
    )
    (home / "task.yaml").write_text(f"name: mine\nresources: {{infra: {offer.cloud}}}\nrun: echo hi\n")
    environment = {**os.environ, "TRADEWIND_DATA_DIR": str(home / "data"), "XDG_CACHE_HOME": str(home / "cache")}

    def types(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "tradewind.cli", *words],
            env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=DEADLINE_S,
        )  # fmt: skip
        if done.returncode != 0:
            raise AssertionError(f"tradewind {' '.join(words)}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    try:
        checked = json.loads(types("check", offer.cloud, "--json"))[offer.cloud]
        types("launch", "task.yaml", "--catalog", "offers.csv", "-y", "-d")
        states = ["PROVISIONING"]
        deadline = time.monotonic() + DEADLINE_S
        while states[-1] == "PROVISIONING" and time.monotonic() < deadline:
            (cluster,) = json.loads(types("status", "--json"))["clusters"]
            states.append(cluster["state"])
        bought = live()
        types("down", "mine", "-y")
    finally:
        types("api", "stop")
    return {"works": checked["works"], "findings": checked["findings"], "state": states[-1], "bought": bought}
