"""The demo from beginning to end: each step a function, each printed under its title with the line a person would type."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tradewind.cli import billpage, daemon, exits, follow, jobs, managed, planpage, rows, terminal, timeline
from tradewind.cli.demo import leftovers, setting
from tradewind.cli.errors import CliError
from tradewind.cli.purchase import Accepted, accept

TASK = "examples/digits/train.yaml"


def title(number: int, text: str, command: str = "") -> None:
    """A step's heading, and the line that does the same by hand."""
    colour = terminal.colourful()
    print("\n" + terminal.styled(f"{number}. {text}", "bold", colour=colour))
    if command:
        print(terminal.styled(f"   $ tradewind {command}", "cyan", colour=colour))
    print(flush=True)


def plan_step(api: daemon.Api, root: str) -> Accepted:
    """Plan over the whole catalog and show the page."""
    from tradewind.spec import load_task

    title(1, "Plan: the cheapest of everything on sale", f"plan {TASK}")
    task = load_task(os.path.join(root, TASK), base_dir=root)
    accepted = accept(api, task, rehearse=True, catalog=None, yes=True, show=False)
    print(planpage.page(accepted.plan, limit=terminal.width(), colour=terminal.colourful()), flush=True)
    return accepted


def run_step(api: daemon.Api, accepted: Accepted, seed: int) -> tuple[int, int]:
    """Launch, rehearsed, and follow through the preemption to the end: the job's number and its exit code."""
    title(
        2,
        "Launch, rehearsed: two local instances, one cluster, real work, one preemption",
        f"jobs launch {TASK} --rehearse --seed {seed}",
    )
    earliest, latest = managed.RECLAIM_WINDOW_S
    print(
        f"An instance will be taken at a moment drawn with seed {seed} from recorded spot traces,\n"
        f"their time compressed so that it falls {earliest:g} to {latest:g} s after the launch.\n",
        flush=True,
    )
    began = time.time()
    job_id = managed.submit(api, accepted, market=managed.market(seed))
    subject = f"job/{job_id}"
    with follow.stages(api, subject, began, out=sys.stdout):
        follow.copy_logs(api, managed.log_path(job_id, follow=True))
    return job_id, jobs.said(api.get(f"/v1/jobs/{job_id}"), f"managed job {job_id}")


def bill_step(api: daemon.Api, job_id: int) -> None:
    """The timeline from the event rows, and what the run cost and would have cost elsewhere."""
    title(3, "The timeline and the bill, from the event rows", f"events {job_id}; tradewind jobs status {job_id}")
    colour, subject = terminal.colourful(), f"job/{job_id}"
    told = [event for event in follow.events(api, subject) if timeline.is_stage(event, subject)]
    print(timeline.timeline(told, colour=colour) + "\n")
    print(billpage.page(api.get(f"/v1/jobs/{job_id}/bill"), limit=terminal.width(), colour=colour), flush=True)


def nothing_left_step(api: daemon.Api, data_dir: str) -> bool:
    """Count what is left, stop the daemon, count again: whether nothing is."""
    title(4, "What is left")
    still_up = tuple(
        f"cluster {c['name']}: {c['state']}" for c in api.get("/v1/clusters") if c["state"] != "TERMINATED"
    )
    directories = leftovers.directories(os.path.join(data_dir, "instances"))
    daemon.stop("now")
    found = leftovers.Leftovers(leftovers.settled(data_dir), directories, still_up)
    print(
        f"rows still up: {len(found.rows)}   instance directories: {len(found.directories)}   processes: {len(found.processes)}"
    )
    for line in (*found.rows, *found.directories, *found.processes):
        print(f"  left: {line}")
    sys.stdout.flush()
    return not found


@contextmanager
def _ending_all(data_dir: str) -> Iterator[None]:
    """Whatever ends the demo (its last step, a failure, Ctrl-C, SIGTERM): its instances end, then its daemon."""

    def on_terminate(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, on_terminate)
    try:
        yield
    except BaseException:
        print("\nending the demo's instances and its daemon ...", file=sys.stderr, flush=True)
        api = daemon.running()
        for job in api.get("/v1/jobs"):
            if job["state"] not in rows.ENDED:
                api.post(f"/v1/jobs/{job['id']}/cancel")
        for cluster in api.get("/v1/clusters"):
            api.post(f"{daemon.cluster_resource(cluster['name'])}/down")
        raise
    finally:
        daemon.stop("now")
        left = leftovers.settled(data_dir)
        for line in left:
            print(f"left: {line}", file=sys.stderr)
        signal.signal(signal.SIGTERM, before)


def play(seed: int, *, keep: bool) -> int:
    """The whole demo; the exit code is 0 only if training succeeded after a preemption and nothing is left."""
    root = setting.example()
    if root is None:
        raise CliError(f"{TASK} is not here; run this in a checkout of tradewind.", exits.BAD_INPUT)
    began = time.monotonic()
    with setting.private_world(keep=keep) as data_dir:
        with _ending_all(data_dir):
            api = daemon.reach(start=True)
            accepted = plan_step(api, root)
            job_id, code = run_step(api, accepted, seed)
            bill_step(api, job_id)
            recoveries = int(api.get(f"/v1/jobs/{job_id}")["recoveries"])
            clean = nothing_left_step(api, data_dir)
        if keep:
            print(f"kept: {data_dir}")
    print(f"\nDone in {terminal.duration(time.monotonic() - began)}.", flush=True)
    return verdict(code, recoveries, clean=clean)


def verdict(code: int, recoveries: int, *, clean: bool) -> int:
    """The demo's exit code, and on stderr why it is not 0."""
    problems = []
    if code != exits.OK:
        problems.append("the training job did not succeed")
    if recoveries == 0:
        problems.append("no instance was taken")
    if not clean:
        problems.append("something was left behind")
    if problems:
        print(f"tradewind: {'; '.join(problems)}.", file=sys.stderr)
        return exits.FAILED
    return exits.OK
