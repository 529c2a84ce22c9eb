"""Random problems over every feature, each solved and held to the answer that trying every choice gives; `make soak-optimizer` takes 100,000.

The seeds are shared out in pieces among processes. With `--state FILE` every finished piece is written down, and the next run, after Ctrl-C
or on another day, goes on with the others; pieces of another version of the optimizer, or of the problems, do not count.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import pathlib
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed

import msgspec

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from tests.optimizer.problems import brute_force, chosen, placed, random_problem
from tradewind.optimizer import optimize

ROOT = pathlib.Path(__file__).resolve().parent.parent
PIECE = 500  # seeds


class Piece(msgspec.Struct, frozen=True):
    """So many seeds from `first` on, held to brute force under the version `code`; `wrong` says of each that failed why."""

    code: str
    first: int
    problems: int
    wrong: tuple[str, ...]
    infeasible: int
    seconds: float


def wrong(seed: int) -> tuple[str, bool]:
    """What is wrong with the plan of the problem of this seed ("" when it is the optimum), and whether there is a plan."""
    problem = random_problem(seed)
    plan, truth = optimize(problem), brute_force(problem)
    why = ""
    if plan.feasible != (truth is not None):
        why = f"seed {seed}: feasible is {plan.feasible} and should not be"
    elif truth is None:
        why = "" if plan.why_infeasible else f"seed {seed}: no reason is given"
    elif placed(plan) != chosen(problem, truth):
        why = f"seed {seed}: {placed(plan)} is not {chosen(problem, truth)}"
    elif plan.certificate.gap != 0:
        why = f"seed {seed}: the gap is {plan.certificate.gap}"
    return why, truth is not None


def try_piece(code: str, first: int, problems: int) -> Piece:
    """The verdicts on the seeds from `first` on."""
    began = time.perf_counter()
    verdicts = [wrong(seed) for seed in range(first, first + problems)]
    found = tuple(why for why, _ in verdicts if why)
    infeasible = sum(not feasible for _, feasible in verdicts)
    return Piece(code, first, problems, found, infeasible, time.perf_counter() - began)


def version() -> str:
    """Names the optimizer's code and the problems."""
    digest = hashlib.sha256()
    for path in sorted([*(ROOT / "tradewind/optimizer").rglob("*.py"), ROOT / "tests/optimizer/problems.py"]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def done_before(state: pathlib.Path | None, code: str) -> dict[tuple[int, int], Piece]:
    """The pieces of this version that are written down."""
    if state is None or not state.exists():
        return {}
    pieces = (msgspec.json.decode(line, type=Piece) for line in state.read_text().splitlines())
    return {(p.first, p.problems): p for p in pieces if p.code == code}


def run(wanted: list[tuple[int, int]], code: str, jobs: int, state: pathlib.Path | None) -> Iterator[Piece]:
    """Each piece as it is finished, those of earlier runs first."""
    done = done_before(state, code)
    yield from (done[piece] for piece in wanted if piece in done)
    with ProcessPoolExecutor(jobs) as pool:
        rest = [pool.submit(try_piece, code, *piece) for piece in wanted if piece not in done]
        try:
            for future in as_completed(rest):
                piece = future.result()
                if state is not None:
                    state.parent.mkdir(parents=True, exist_ok=True)
                    with state.open("a") as file:
                        file.write(msgspec.json.encode(piece).decode() + "\n")
                yield piece
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            raise


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--problems", type=int, default=1000)
    parser.add_argument("--first", type=int, default=1_000_000, help="the first seed; the next ones follow")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--state", type=pathlib.Path, help="where finished pieces are written down and read again")
    options = parser.parse_args()
    end = options.first + options.problems
    wanted = [(first, min(PIECE, end - first)) for first in range(options.first, end, PIECE)]
    began, tried, infeasible, said, failures = time.perf_counter(), 0, 0, 0, list[str]()
    try:
        for piece in run(wanted, version(), options.jobs, options.state):
            tried += piece.problems
            infeasible += piece.infeasible
            failures += piece.wrong
            for why in piece.wrong:
                print(why, file=sys.stderr, flush=True)
            if tried // 5000 > said:
                said = tried // 5000
                seconds = time.perf_counter() - began
                print(f"{tried:,} problems, {len(failures)} wrong, {seconds:.0f} s", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        kept = ", and kept" if options.state else ""
        print(f"\nended after {tried:,} of {options.problems:,} problems{kept}; {len(failures)} wrong", file=sys.stderr)
        return 130
    seconds = time.perf_counter() - began
    if options.json:
        rows = [
            {"what": "random problems against brute force", "value": tried / seconds, "unit": "/s", "goal": None},
            {"what": "plans that are not the optimum", "value": len(failures), "unit": "", "goal": 0},
        ]
        print(json.dumps(rows, indent=2))
    else:
        print(f"{tried:,} problems, {infeasible:,} of them without a plan, {len(failures)} wrong, {seconds:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
