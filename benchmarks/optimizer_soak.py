"""Random problems over every feature, each solved and held to the answer that trying every choice gives; `make soak-optimizer` takes 100,000."""

from __future__ import annotations

import argparse
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from tests.optimizer.problems import brute_force, chosen, placed, random_problem
from tradewind.optimizer import optimize


def wrong(seed: int) -> str:
    """What is wrong with the plan of the problem of this seed; "" when it is the optimum."""
    problem = random_problem(seed)
    plan, truth = optimize(problem), brute_force(problem)
    if plan.feasible != (truth is not None):
        return f"seed {seed}: feasible is {plan.feasible} and should not be"
    if truth is None:
        return "" if plan.why_infeasible else f"seed {seed}: no reason is given"
    if placed(plan) != chosen(problem, truth):
        return f"seed {seed}: {placed(plan)} is not {chosen(problem, truth)}"
    return "" if plan.certificate.gap == 0 else f"seed {seed}: the gap is {plan.certificate.gap}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--problems", type=int, default=1000)
    parser.add_argument("--first", type=int, default=1_000_000, help="the first seed; the next ones follow")
    options = parser.parse_args()
    began, failures = time.perf_counter(), []
    for n, seed in enumerate(range(options.first, options.first + options.problems), 1):
        if why := wrong(seed):
            failures.append(why)
            print(why, file=sys.stderr, flush=True)
        if n % 5000 == 0:
            print(
                f"{n:,} problems, {len(failures)} wrong, {time.perf_counter() - began:.0f} s",
                file=sys.stderr,
                flush=True,
            )
    seconds = time.perf_counter() - began
    if options.json:
        rows = [
            {
                "what": "random problems against brute force",
                "value": options.problems / seconds,
                "unit": "/s",
                "goal": None,
            },
            {"what": "plans that are not the optimum", "value": len(failures), "unit": "", "goal": 0},
        ]
        print(json.dumps(rows, indent=2))
    else:
        print(f"{options.problems:,} problems, {len(failures)} wrong, {seconds:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
