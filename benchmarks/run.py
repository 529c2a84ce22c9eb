"""Runs every benchmark beside this file, one after the other, each in its own process, and prints one table with the goals; `make bench`."""

from __future__ import annotations

import argparse
import ast
import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

HERE = pathlib.Path(__file__).resolve().parent
FIRST = ("floor", "runtime", "primes", "catalog", "plan", "broker", "cli")
RESULTS = HERE / "results" / "latest.json"


class Row(NamedTuple):
    """A figure with its unit, and the goal that it is held to (None: shown for what it is)."""

    what: str
    value: float
    unit: str
    goal: float | None

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached: rates and shares from below, everything else from above."""
        if self.goal is None:
            return None
        more_is_better = self.unit.endswith("/s") or "speed" in self.what
        return self.value >= self.goal if more_is_better else self.value <= self.goal


def scripts(only: list[str]) -> list[pathlib.Path]:
    """The benchmarks to run: the known ones in order, then any other."""
    here = {p.stem: p for p in sorted(HERE.glob("*.py")) if p.stem != "run" and "def main" in p.read_text()}
    order = [name for name in FIRST if name in here] + [name for name in here if name not in FIRST]
    unknown = sorted(set(only) - set(order))
    if unknown:
        raise SystemExit(f"there is no benchmark called {unknown[0]}; there are: {', '.join(order)}")
    return [here[name] for name in order if not only or name in only]


def goals(path: pathlib.Path) -> dict[str, float]:
    """The literal GOALS or TARGETS of a benchmark's file."""
    for node in ast.parse(path.read_text()).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if isinstance(target, ast.Name) and target.id in {"GOALS", "TARGETS"} and isinstance(value, ast.Dict):
            return dict(ast.literal_eval(value))
    return {}


def _named(name: str, value: float, goal: float | None) -> Row:
    """`daemon start, s`, `init s`, `build_s`, `put small /s`: the last word is the unit."""
    what, _, unit = name.replace("_", " ").rpartition(" ")
    known = unit in {"s", "ms", "us", "MB", "GB/s", "/s"}
    return Row(what.rstrip(",") if known else name, value, unit if known else "", goal)


def rows(path: pathlib.Path, data: Any) -> Iterator[Row]:
    """A benchmark's figures, whichever of the two forms it prints: rows, or numbers by name."""
    if isinstance(data, list):
        yield from (Row(str(r["what"]), float(r["value"]), str(r.get("unit", "")), r.get("goal")) for r in data)
        return
    held = goals(path)
    alone = data.pop("goal", None)  # of its last figure
    numbers = {name: value for name, value in data.items() if isinstance(value, int | float)}
    for name, value in numbers.items():
        last = alone if name == list(numbers)[-1] else None
        yield _named(name, float(value), held.get(name, last))


def run(path: pathlib.Path) -> tuple[list[Row], str]:
    """The figures of one benchmark, and what went wrong ("" when it printed them; a missed goal is no failure)."""
    env = {**os.environ, "PYTHONWARNINGS": "ignore"}
    ran = subprocess.run(
        [sys.executable, str(path), "--json"], check=False, cwd=HERE.parent, stdout=subprocess.PIPE, text=True, env=env
    )
    try:
        return list(rows(path, json.loads(ran.stdout))), ""
    except ValueError:
        return [], f"{path.stem} ended with {ran.returncode} and no figures"


def show(name: str, found: list[Row]) -> None:
    """One benchmark's part of the table."""
    for row in found:
        goal = "" if row.goal is None else f"{row.goal:,g}"
        value = f"{row.value:,.0f}" if row.value >= 1000 else f"{row.value:.4g}"
        verdict = {None: "", True: "met", False: "MISSED"}[row.met]
        print(f"{name:<9}{row.what:<46.46}{value:>10} {row.unit:<5}{goal:>8}  {verdict}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only these; all when none is named")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON instead")
    options = parser.parse_args()
    everything: dict[str, list[dict[str, Any]]] = {}
    failed = []
    if not options.json:
        print(f"{'':<9}{'':<46}{'measured':>10} {'':<5}{'goal':>8}")
    for path in scripts(options.names):
        began = time.monotonic()
        found, wrong = run(path)
        everything[path.stem] = [{**row._asdict(), "met": row.met} for row in found]
        if wrong:
            failed.append(wrong)
        if not options.json:
            show(path.stem, found)
        print(f"{path.stem}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(everything, indent=2))
    if options.json:
        print(json.dumps(everything, indent=2))
    for wrong in failed:
        print(wrong, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
