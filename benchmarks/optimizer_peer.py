"""SkyPilot's optimizer on the same offers, in an environment of its own, beside ours: seconds and USD/hour; part of `make bench-optimizer`.

Without SkyPilot it says why and ends well. `--install` makes the environment (some 500 MB under benchmarks/results); `--python` names one that is there.
Every offer of AWS, Azure and Google goes over (`skypilot_catalog.py`), less restricted and burstable ones, arm64 and TPU slices.
"""

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

import msgspec

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from benchmarks.skypilot_catalog import CLOUDS, export
from tradewind.broker.planner import plan_tasks
from tradewind.catalog import Catalog, open_catalog
from tradewind.optimizer import Plan
from tradewind.optimizer.problem import Edge
from tradewind.spec.task import AcceleratorRequest, Quantity, Resources, Task

VERSION = "0.14.1"
FOLDER = pathlib.Path(__file__).resolve().parent
HOME = FOLDER / "results" / "skypilot"


class Asked(msgspec.Struct, frozen=True):
    """One request as both sides take it: any of `accelerators` ("A100:8") does."""

    cpus: str | None = None
    memory: str | None = None
    accelerators: tuple[str, ...] = ()
    spot: bool = False

    def __str__(self) -> str:
        parts = (
            self.cpus and f"cpus {self.cpus}",
            self.memory and f"memory {self.memory}",
            " or ".join(self.accelerators),
        )
        return ", ".join(part for part in (*parts, "spot" if self.spot else "") if part)


class Question(msgspec.Struct, frozen=True):
    """Tasks, the data between them (source, target, GB), and how often SkyPilot is timed."""

    tasks: tuple[Asked, ...]
    edges: tuple[tuple[int, int, float], ...] = ()
    times: int = 1

    def __str__(self) -> str:
        return (
            str(self.tasks[0])
            if len(self.tasks) == 1
            else f"chain of {len(self.tasks)}: " + " > ".join(map(str, self.tasks))
        )


TIMED = (
    Question((Asked("4+"),), times=3),
    Question((Asked("16+", spot=True),), times=3),
    Question((Asked("64+", "4x"),), times=3),
    Question((Asked(accelerators=("A100:8",)),), times=3),
    Question((Asked(accelerators=("H100:8",), spot=True),), times=3),
    Question((Asked(accelerators=("L4:1",), spot=True),), times=3),
    Question((Asked(accelerators=("T4:1",)),), times=3),
    Question((Asked(accelerators=("A100:8", "H100:8", "V100:8"), spot=True),), times=3),
    Question((Asked("8+"), Asked(accelerators=("A100:8",)), Asked("8+")), ((0, 1, 50.0), (1, 2, 5.0)), times=1),
)
# Priced once each: how often SkyPilot's choice is the cheapest that is sold, and by how much not.
GRID = tuple(
    Question((asked,))
    for spot in (False, True)
    for asked in (
        *(Asked(f"{n}+", memory, spot=spot) for n in (2, 8, 16, 32, 64, 96) for memory in (None, "2x", "8x")),
        *(
            Asked(accelerators=(f"{name}:{count}",), spot=spot)
            for name, counts in (
                ("T4", (1, 4)), ("V100", (1, 8)), ("L4", (1, 4, 8)), ("A10G", (1, 4)), ("A100", (8,)), ("A100-80GB", (1, 4, 8)), ("H100", (8,)), ("H200", (8,))
            )
            for count in counts
        ),
    )
)  # fmt: skip


def quantity(text: str | None) -> Quantity | None:
    if text is None:
        return None
    return Quantity(float(text.rstrip("+x")), at_least=True, per_vcpu=text.endswith("x"))


def task(name: str, asked: Asked) -> Task:
    """The request as our task."""
    accelerators = tuple(
        AcceleratorRequest(kind, float(count))
        for kind, _, count in (text.partition(":") for text in asked.accelerators)
    )
    wanted = Resources(
        cpus=quantity(asked.cpus),
        memory=quantity(asked.memory),
        accelerators=accelerators,
        arch="x86_64",
        use_spot=asked.spot,
    )
    return Task(name=name, resources=(wanted,))


def ours(catalog: Catalog, question: Question) -> tuple[float, Plan]:
    """Our median seconds over the same clouds, warm, and the plan."""
    tasks = [task(f"t{i}", asked) for i, asked in enumerate(question.tasks)]
    edges = [Edge(f"t{a}", f"t{b}", gigabytes) for a, b, gigabytes in question.edges]
    walls = []
    for _ in range(4):
        began = time.perf_counter()
        plan = plan_tasks(tasks, catalog, clouds=CLOUDS, edges=edges)
        walls.append(time.perf_counter() - began)
    return statistics.median(walls[1:]), plan


def at_their_types(catalog: Catalog, question: Question, chosen: list[list[str]]) -> float | None:
    """The least USD of what SkyPilot chose (cloud and type), its regions chosen best: what its plan costs at most ahead of ours."""
    tasks = []
    for i, (asked, (cloud, instance_type, _)) in enumerate(zip(question.tasks, chosen, strict=True)):
        made = task(f"t{i}", asked)
        infra = msgspec.structs.replace(made.resources[0].infra, cloud=cloud)
        kept = made.resources[0].accelerators if instance_type.startswith("n1-") else ()
        exact = Resources(infra=infra, instance_type=instance_type, accelerators=kept, use_spot=asked.spot)
        tasks.append(msgspec.structs.replace(made, resources=(exact,)))
    edges = [Edge(f"t{a}", f"t{b}", gigabytes) for a, b, gigabytes in question.edges]
    plan = plan_tasks(tasks, catalog, edges=edges)
    return plan.total_usd if plan.feasible else None


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


def peer(python: str, home: pathlib.Path, questions: tuple[Question, ...]) -> list[dict[str, object]]:
    """What SkyPilot answers to each question."""
    env = {**os.environ, "HOME": str(home), "PYTHONWARNINGS": "ignore", "SKYPILOT_DISABLE_USAGE_COLLECTION": "1"}
    asked = msgspec.json.encode(questions).decode()
    ran = subprocess.run(
        [python, str(FOLDER / "skypilot_side.py")],
        input=asked,
        check=False,
        capture_output=True,
        text=True,
        env=env,
        timeout=1800,
    )
    found = [line for line in ran.stdout.splitlines() if line.startswith("ROWS")]
    if not found:
        why = (ran.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return [{"why": why[:300]} for _ in questions]
    rows: list[dict[str, object]] = json.loads(found[-1][4:])
    return rows


def timed(catalog: Catalog, answers: list[dict[str, object]]) -> list[tuple[str, float, float, float, float]]:
    """Of each timed question our seconds, theirs, our USD for an hour of each task, theirs."""
    rows = []
    for question, found in zip(TIMED, answers, strict=True):
        seconds, plan = ours(catalog, question)
        if "why" in found or not plan.feasible:
            print(f"{question}: SkyPilot gave no plan: {found.get('why', '')}", file=sys.stderr)
            continue
        their_usd = float(str(found["usd_h"]))
        if question.edges:
            their_usd = at_their_types(catalog, question, found["chosen"]) or their_usd  # type: ignore[arg-type]
        rows.append((str(question), seconds, float(str(found["seconds"])), plan.total_usd, their_usd))
    return rows


def priced(catalog: Catalog, answers: list[dict[str, object]]) -> dict[str, list[float]]:
    """SkyPilot's price to ours for each request of the grid that both have a plan for, processors and accelerators apart."""
    ratios: dict[str, list[float]] = {"processors": [], "accelerators": []}
    for question, found in zip(GRID, answers, strict=True):
        _, plan = ours(catalog, question)
        if "why" in found or not plan.feasible:
            print(f"{question}: no plan of both: {found.get('why', '')}", file=sys.stderr)
            continue
        kind = "accelerators" if question.tasks[0].accelerators else "processors"
        ratios[kind].append(float(str(found["usd_h"])) / plan.hourly_usd)
    return ratios


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
        answers = peer(python, pathlib.Path(home), TIMED + GRID)
        rows, ratios = timed(catalog, answers[: len(TIMED)]), priced(catalog, answers[len(TIMED) :])
    if options.json:
        print(json.dumps(figures(rows, ratios), indent=2))
        return
    print(f"{offers:,} offers; SkyPilot {VERSION}")
    print(f"{'request':<44}{'ours s':>9}{'theirs s':>10}{'speed':>8}{'ours USD':>11}{'theirs':>10}")
    for what, seconds, their_s, usd, their_usd in rows:
        print(f"{what[:43]:<44}{seconds:>9.4f}{their_s:>10.3f}{their_s / seconds:>7.0f}x{usd:>11.4f}{their_usd:>10.4f}")
    for kind, some in ratios.items():
        cheapest = sum(ratio < 1.0005 for ratio in some)
        print(
            f"{kind}: SkyPilot's choice is the cheapest sold in {cheapest} of {len(some)} requests; its price is {statistics.median(some):.2f} times "
            f"ours in the median, {max(some):.2f} at most, {min(some):.2f} at least"
        )


def figures(
    rows: list[tuple[str, float, float, float, float]], ratios: dict[str, list[float]]
) -> list[dict[str, object]]:
    """For `make bench`: every ratio as a figure without a goal of its own."""
    found = []
    for what, seconds, their_s, usd, their_usd in rows:
        found.append((f"{what}: SkyPilot's time to ours", their_s / seconds))
        found.append((f"{what}: SkyPilot's price to ours", their_usd / usd))
    found += (
        (f"{kind}: SkyPilot's price to ours, median", statistics.median(some)) for kind, some in ratios.items() if some
    )
    return [{"what": what, "value": value, "unit": "", "goal": None} for what, value in found]


if __name__ == "__main__":
    main()
