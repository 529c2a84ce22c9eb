"""One cluster of two machines on each cloud, whose daemon is SIGKILLed at step after step of its launch, stop, start and end.

After each death, while nobody runs, the cloud holds nothing that the record does not know; in the end two machines were bought, and none is left.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3

import pytest

from clouds.estate import Estate
from clouds.mortals import Mortals
from tests.broker.real import task

TASK = "num_nodes: 2\nresources: {{infra: {cloud}}}\nrun: echo it ran on $TRADEWIND_NODE_RANK\n"
# A step is named with how often one daemon passes it: the second of a gang's launches is under way when the first has been made.
LAUNCH = (
    "submit:committed:1",
    "intent:before:1",
    "intent:committed:1",
    "launch:before:1",
    "launch:before:2",
    "launch:after:1",
    "launch:after:2",
    "launch:recorded:1",
    "launch:recorded:2",
    "instances:running:1",
    "bootstrap:connect:1",
    "bootstrap:agent-started:2",
    "bootstrap:configured:1",
    "bootstrap:files:1",
    "bootstrap:head:1",
    "bootstrap:nodes:1",
    "bootstrap:done:1",
    "job:before-start:1",
    "job:started:1",
)
STOP = ("stop:before:1", "stop:stopped:1", "stop:recorded:1")
START = ("start:before:1", "start:after:1", "start:recorded:1")
# `make test` passes through these; all of them are for `make soak-clouds`.
SOME = {
    "intent:committed:1",
    "launch:before:2",
    "launch:after:1",
    "launch:after:2",
    "launch:recorded:1",
    "bootstrap:connect:1",
    "bootstrap:agent-started:2",
    "bootstrap:configured:1",
    "bootstrap:nodes:1",
    "job:started:1",
    "stop:before:1",
    "stop:stopped:1",
    "start:before:1",
    "start:after:1",
    "release:agent-told:1",
    "release:terminated:1",
    "release:recorded:1",
}
END = ("release:before:1", "release:agent-told:1", "release:terminated:1", "release:recorded:1", "release:done:1")


def steps(points: tuple[str, ...]) -> list[str]:
    """Those of them that are passed through now."""
    return [point for point in points if point in SOME or os.environ.get("TRADEWIND_SOAK")]


def let_the_lease_run_out(estate: Estate) -> None:
    """The cluster was stopped for longer than its machines' lease, by all that the record and their disks know."""
    with contextlib.closing(sqlite3.connect(f"{estate.data_dir}/record.sqlite")) as record:
        record.execute("UPDATE instances SET lease_until_unix = 1000")
        record.commit()
    known = [
        path
        for room in estate.rooms.values()
        for host in room.machines.values()
        for path in host.seed.rglob("lease.json")
    ]
    assert len(known) == 2
    for path in known:
        path.write_text("1000.0")


@pytest.mark.timeout(400)
@pytest.mark.parametrize("cloud", ["aws", "gcp", "azure"])
def test_two_machines_are_bought_used_stopped_started_and_ended_over_the_bodies_of_daemons(
    estate: Estate, cloud: str
) -> None:
    body = {
        "task": task(TASK.format(cloud=cloud)), "cluster": "mine", "accepted_hourly_usd": 1.0, "catalog": estate.catalog,
    }  # fmt: skip
    mortals = Mortals(estate)
    mortals.die(steps(LAUNCH), lambda client: client.post("/v1/launch", body))
    mortals.its_job_ran_once("it ran on 0", "it ran on 1")
    estate.daemon.kill()
    mortals.die(steps(STOP), lambda client: client.post("/v1/clusters/mine/stop"))
    let_the_lease_run_out(estate)
    mortals.die(steps(START), lambda client: client.post("/v1/clusters/mine/start"))
    mortals.survivor("UP")
    estate.daemon.kill()
    mortals.die(steps(END), lambda client: client.post("/v1/clusters/mine/down"))
    client = mortals.survivor("TERMINATED")
    assert len(estate.bought()) == 2, json.dumps(client.get("/v1/events"), indent=1)
    assert estate.held() == []
