"""The command line's latencies, each in fresh processes: median wall milliseconds."""

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

ROOT = pathlib.Path(__file__).resolve().parent.parent
TRADEWIND = str(pathlib.Path(sys.executable).with_name("tradewind"))
TASK = str(ROOT / "examples" / "digits" / "train.yaml")


def median_ms(command: list[str], times: int, env: dict[str, str]) -> float:
    """The median wall time of the command, after one run that fills the caches."""
    walls = []
    for _ in range(times + 1):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=env, cwd=ROOT)
        walls.append((time.perf_counter() - began) * 1000)
    return statistics.median(walls[1:])


def measure(times: int) -> list[dict[str, object]]:
    """Rows of what, value, unit, goal."""
    kept = {
        name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
    }  # as where it is installed
    with tempfile.TemporaryDirectory() as directory:
        env = {**kept, "TRADEWIND_DATA_DIR": directory}
        rows = [
            ("python -c pass", [sys.executable, "-c", "pass"], None),
            ("import tradewind", [sys.executable, "-c", "import tradewind"], 50),
            ("tradewind --help", [TRADEWIND, "--help"], 150),
            ("tradewind plan (fresh process, no daemon)", [TRADEWIND, "plan", TASK], 600),
        ]
        found: list[dict[str, object]] = [
            {"what": what, "value": round(median_ms(command, times, env), 1), "unit": "ms", "goal": goal}
            for what, command, goal in rows
        ]
        subprocess.run([TRADEWIND, "api", "start"], check=True, stdout=subprocess.DEVNULL, env=env)
        try:
            wall = median_ms([TRADEWIND, "status"], times, env)
            found.append({"what": "tradewind status (daemon up)", "value": round(wall, 1), "unit": "ms", "goal": 150})
        finally:
            subprocess.run([TRADEWIND, "api", "stop"], check=True, stdout=subprocess.DEVNULL, env=env)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--times", type=int, default=11)
    options = parser.parse_args()
    rows = measure(options.times)
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        goal = "" if row["goal"] is None else f"   goal {row['goal']}"
        print(f"{row['what']:<44}{row['value']:>9} {row['unit']}{goal}")


if __name__ == "__main__":
    main()
