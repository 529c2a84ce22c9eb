"""Managed jobs in one daemon over a cloud in memory: submissions, an array, thousands alive under preemptions, and long lists; `make bench-jobs`.

The cloud, its agents and the daemon share one process here, so memory and processor time are those of all of them together: upper bounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import pathlib
import random
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))  # the scripted cloud lives with the tests

from sqlalchemy import insert

from tests.broker.harness import Running, job_request, task
from tests.broker.scripted import ScriptedCloud
from tradewind.broker.server import collector
from tradewind.broker.server.requests import ArrayRequest
from tradewind.broker.store import listing, schema

GOALS = {
    "submissions /s": 200.0,
    "array of 1,000 accepted, s": 2.0,
    "100,000 ended jobs listed with filters, s": 0.1,
    "memory of all in the storm, MB": 1000.0,
    "processor share at 1,000 preemptions a minute, cores": 1.0,
    "a loss until a reader of the record sees it p99, s": 1.0,
    "a loss to its recovery in the record p99, s": 5.0,
}
STORM_S = 30.0
A_MINUTE = 1000.0


def rss_mb() -> float:
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) / 1024


async def until(holds: object, deadline_s: float = 600.0) -> None:
    deadline = time.monotonic() + deadline_s
    while not holds():  # type: ignore[operator]
        if time.monotonic() > deadline:
            raise TimeoutError("the jobs did not get there")
        await asyncio.sleep(0.1)


async def submissions(directory: str) -> dict[str, float]:
    async with Running(f"{directory}/submit", ScriptedCloud()) as r:
        later = r.broker.services.now() + 86400
        began = time.monotonic()
        for _ in range(20):
            await asyncio.gather(
                *(r.broker.submit(job_request(task("wait"), not_before_unix=later)) for _ in range(50))
            )
        rate = 1000 / (time.monotonic() - began)
        began = time.monotonic()
        members = tuple({"N": str(n)} for n in range(1000))
        await r.broker.desk.submit_array(ArrayRequest(job_request(task("wait"), not_before_unix=later), members))
        return {"submissions /s": rate, "array of 1,000 accepted, s": time.monotonic() - began}


async def lists(directory: str) -> dict[str, float]:
    async with Running(f"{directory}/lists", ScriptedCloud()) as r:
        await r.broker.submit(job_request(task("exit 0")))
        await until(lambda: r.job_state(1) == "SUCCEEDED")
        row = r.store.read(lambda c: dict(c.execute(schema.managed_jobs.select()).mappings().one()))
        states = ("SUCCEEDED", "FAILED", "CANCELLED", "FAILED_SETUP")
        copies = [row | {"id": n, "name": f"n{n % 1000}", "state": states[n % 4]} for n in range(2, 100_002)]
        r.store.write(lambda c: c.execute(insert(schema.managed_jobs), copies))
        took = []
        for chosen in (
            listing.Filter(limit=100),
            listing.Filter(states=("FAILED",), limit=100),
            listing.Filter(name="n7", limit=100),
            listing.Filter(states=listing.UNFINISHED),
            listing.Filter(states=("FAILED",), before=50_000),
        ):
            began = time.monotonic()
            r.broker.desk.list_jobs(chosen)
            took.append(time.monotonic() - began)
        return {"100,000 ended jobs listed with filters, s": max(took)}


async def storm(directory: str, count: int) -> dict[str, float]:
    """`count` jobs alive; then losses at A_MINUTE a minute for STORM_S seconds, and everyone comes back."""
    os.makedirs(f"{directory}/storm")
    pathlib.Path(directory, "storm", "limits.yaml").write_text(f"max_active_jobs: {count}\n")  # noqa: ASYNC240  once
    cloud = ScriptedCloud()
    async with Running(f"{directory}/storm", cloud) as r:
        before, began, cpu = rss_mb(), time.monotonic(), time.process_time()
        for first in range(0, count, 500):
            some = range(first, min(count, first + 500))
            await asyncio.gather(*(r.broker.submit(job_request(task("wait"))) for _ in some))
        await until(lambda: r.store.read(listing.counts).get("RUNNING") == count)
        up, held = time.monotonic() - began, (rss_mb() - before) / count
        spent = (time.process_time() - cpu) / count
        draw, lost, killed, seen = random.Random(1), 0, {}, []
        reader = asyncio.create_task(_see_losses(r, killed, seen))
        began, cpu = time.monotonic(), time.process_time()
        while (passed := time.monotonic() - began) < STORM_S:
            while lost < passed * A_MINUTE / 60:
                victim = draw.choice(cloud.running())
                killed[cloud.instances[victim].instance_id] = time.monotonic()
                cloud.kill(victim, "taken")
                lost += 1
            await asyncio.sleep(0.02)
        share, most = (time.process_time() - cpu) / (time.monotonic() - began), rss_mb()
        await until(lambda: r.store.read(listing.counts).get("RUNNING") == count)
        assert len(cloud.running()) == count, "none lost, none doubled"
        jobs = r.store.read(lambda c: listing.managed_jobs(c, listing.Filter(limit=count)))
        assert len({job.id for job in jobs}) == count
        recovered = sum(job.recoveries for job in jobs)
        facts = [f for f in _facts(r) if f.kind in {"preempted", "recovered"} and f.subject.startswith("job/")]
        waits, open_ = [], {}
        for fact in facts:
            if fact.kind == "preempted":
                open_.setdefault(fact.subject, fact.unix)
            elif fact.subject in open_:
                waits.append(fact.unix - open_.pop(fact.subject))
        reader.cancel()
        assert not killed, "every loss was seen"
        waits.sort()
        seen.sort()
        return {
            f"{count:,} jobs from nothing to running, s": up,
            "processor time to bring a job up, ms": spent * 1000,
            "memory a job alive, MB": held,
            "memory of all in the storm, MB": most,
            "processor share at 1,000 preemptions a minute, cores": share,
            "losses in the storm": float(lost),
            "recoveries": float(recovered),
            "a loss until a reader of the record sees it p99, s": seen[int(len(seen) * 0.99) - 1],
            "a loss to its recovery in the record p99, s": waits[int(len(waits) * 0.99) - 1] if waits else 0.0,
        }


async def _see_losses(r: Running, killed: dict[str, float], seen: list[float]) -> None:
    """As a follower of events does: woken by a commit, read what is new."""
    from tradewind.broker.store import rows

    after = 0
    while True:
        count = r.broker.changed.count
        for fact in r.store.read(lambda c, after=after: rows.events(c, after=after, kinds=("ended",))):
            after = fact.seq
            if fact.kind == "ended" and (at := killed.pop(fact.data["instance_id"], None)) is not None:
                seen.append(time.monotonic() - at)
        await r.broker.changed.wait(count)


def _facts(r: Running) -> list:  # type: ignore[type-arg]
    from tradewind.broker.store import rows

    found, after = [], 0
    while page := r.store.read(lambda c, after=after: rows.events(c, after=after)):
        found, after = [*found, *page], page[-1].seq
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--jobs", type=int, default=10_000, help="how many are alive in the storm")
    asked = parser.parse_args()
    collector.calm()
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as directory:
        for part in (submissions(directory), lists(directory), storm(directory, asked.jobs)):
            figures |= asyncio.run(part)
    if asked.json:
        print(json.dumps(figures))
        return 0
    for name, value in figures.items():
        goal = GOALS.get(name)
        print(f"{name:<60} {value:>10.4g}" + ("" if goal is None else f"   goal {goal:g}"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
