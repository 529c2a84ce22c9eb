"""One cluster of two machines on each cloud, whose daemon is SIGKILLed at every step of its launch, stop, start and end, each time by the next one.

After each death, while nobody runs, the cloud holds nothing that the record does not know; in the end two machines were bought, and none is left.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from clouds.estate import Estate, open_estate
from clouds.lab.namespaces import Lab, open_lab
from tests.broker.nursery import Nursery
from tests.broker.real import task, until
from tradewind.broker.server.client import DaemonClient, DaemonUnreachable

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
END = ("release:before:1", "release:agent-told:1", "release:terminated:1", "release:recorded:1", "release:done:1")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with open_lab(tmp_path_factory.mktemp("lab") / "lab") as lab:
        yield lab


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as nursery:
        yield nursery


@pytest.fixture
def estate(lab: Lab, nursery: Nursery, tmp_path: pathlib.Path) -> Iterator[Estate]:
    with open_estate(tmp_path, lab, nursery) as estate:
        yield estate


class Mortals:
    """Daemons that die, one after the other, over one cluster."""

    def __init__(self, estate: Estate) -> None:
        self.estate = estate

    def die(self, points: Sequence[str], ask: Callable[[DaemonClient], Any]) -> None:
        """The first one is asked for something and dies at the first point; each other finds what the one before it left, and dies at its own."""
        client = self.estate.start(TRADEWIND_CRASH_AT=points[0])
        with contextlib.suppress(DaemonUnreachable):  # it dies before it answers
            ask(client)
        self.buried(points[0])
        for point in points[1:]:
            self.estate.spawn(TRADEWIND_CRASH_AT=point)
            self.buried(point)

    def buried(self, point: str) -> None:
        assert self.estate.daemon.wait_dead() == -9, f"{point}: {self.estate.daemon.log()}"
        known = self.recorded()
        held = {tags["tradewind-instance"] for tags in self.estate.tags()}
        assert held <= known, f"after a death at {point} the cloud holds what the record does not know"

    def let_the_lease_run_out(self) -> None:
        """The cluster was stopped for longer than its machines' lease, by all that the record and their disks know."""
        with contextlib.closing(sqlite3.connect(f"{self.estate.data_dir}/record.sqlite")) as record:
            record.execute("UPDATE instances SET lease_until_unix = 1000")
            record.commit()
        known = [
            path
            for room in self.estate.rooms.values()
            for host in room.machines.values()
            for path in host.seed.rglob("lease.json")
        ]
        assert len(known) == 2
        for path in known:
            path.write_text("1000.0")

    def recorded(self) -> set[str]:
        """The instances that the record holds for alive or possible."""
        with contextlib.closing(
            sqlite3.connect(f"file:{self.estate.data_dir}/record.sqlite?mode=ro", uri=True)
        ) as record:
            return {row[0] for row in record.execute("SELECT id FROM instances WHERE state != 'ENDED'")}

    def survivor(self, state: str) -> DaemonClient:
        """A daemon that lives, once the cluster is in that state and its cloud holds just what the record says."""
        client = self.estate.start()
        until(
            f"it is {state}",
            lambda: self.state(client) == state,
            lambda: f"{client.get('/v1/clusters/mine')} {self.estate.daemon.log()}",
        )
        assert {tags["tradewind-instance"] for tags in self.estate.tags()} == self.recorded()
        return client

    @staticmethod
    def state(client: DaemonClient) -> str:
        return str(client.get("/v1/clusters/mine")["state"])


@pytest.mark.timeout(400)
@pytest.mark.parametrize("cloud", ["aws", "gcp", "azure"])
def test_two_machines_are_bought_used_stopped_started_and_ended_over_the_bodies_of_daemons(
    estate: Estate, cloud: str
) -> None:
    body = {
        "task": task(TASK.format(cloud=cloud)), "cluster": "mine", "accepted_hourly_usd": 1.0, "catalog": estate.catalog,
    }  # fmt: skip
    mortals = Mortals(estate)
    mortals.die(LAUNCH, lambda client: client.post("/v1/launch", body))
    client = mortals.survivor("UP")
    (job,) = until(
        "the job ends", lambda: [j for j in client.get("/v1/clusters/mine/jobs") if j["ended_unix"]], estate.daemon.log
    )
    assert job["state"] == "SUCCEEDED", job
    said = b"".join(client.stream("/v1/clusters/mine/jobs/1/logs")).decode()
    assert [said.count(f"it ran on {rank}") for rank in range(2)] == [1, 1]
    estate.daemon.kill()
    mortals.die(STOP, lambda client: client.post("/v1/clusters/mine/stop"))
    mortals.let_the_lease_run_out()
    mortals.die(START, lambda client: client.post("/v1/clusters/mine/start"))
    mortals.survivor("UP")
    estate.daemon.kill()
    mortals.die(END, lambda client: client.post("/v1/clusters/mine/down"))
    client = mortals.survivor("TERMINATED")
    assert len(estate.bought()) == 2, json.dumps(client.get("/v1/events"), indent=1)
    assert estate.held() == []
