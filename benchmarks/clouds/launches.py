"""What the daemon itself takes for a launch: planned over the whole shipped catalog, recorded on disk, bootstrapped; cloud and agent are in memory."""

from __future__ import annotations

import statistics
import time

from benchmarks.clouds.brokers import opened
from benchmarks.clouds.figures import Figure
from tests.broker.harness import until
from tests.broker.scripted import ScriptedCloud
from tradewind.broker.jobs.planning import CatalogPlanner
from tradewind.broker.server.requests import LaunchRequest
from tradewind.spec import parse_task

TIMES = 20
TASK = "name: t\nresources: {cpus: 4+, use_spot: true}\nsetup: exit 0\nrun: exit 0\n"


async def launches() -> list[Figure]:
    """From the request to the job's end on a cluster that is up: the median of many, after one that opens the catalog."""
    task = parse_task(TASK, "task.yaml", "/")
    seconds = []
    with opened({"local": ScriptedCloud()}, CatalogPlanner()) as broker:
        await broker.start()
        for number in range(TIMES + 1):
            began = time.monotonic()
            asked = LaunchRequest(task=task, accepted_hourly_usd=100.0, rehearse=True, cluster=f"c{number}")
            name, job_id = await broker.launch(asked)
            await until("it ran", lambda at=(name, job_id): broker.job(*at)[1].ended_unix is not None)
            seconds.append(time.monotonic() - began)
            await broker.down(f"c{number}")
        await broker.stop()
    first, *rest = seconds
    note = f"the first, which opens the catalog, {first:.2f} s"
    return [Figure("the daemon's part of a launch, without cloud and SSH (median)", 0.3, statistics.median(rest), note)]
