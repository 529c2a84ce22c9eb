"""Daemons that die, one after the other, over one cluster, and what each must find as the one before it left it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from clouds.household import Household
from tests.broker.real import until
from tradewind.broker.server.client import DaemonClient, DaemonUnreachable


class Mortals:
    """`cluster` is the name of the one that they are about."""

    def __init__(self, world: Household, cluster: str = "mine") -> None:
        self.world, self.cluster = world, cluster

    def die(self, points: Sequence[str], ask: Callable[[DaemonClient], Any]) -> None:
        """The first one is asked for something and dies at the first point; each other finds what the one before it left, and dies at its own."""
        client = self.world.start(TRADEWIND_CRASH_AT=points[0])
        with contextlib.suppress(DaemonUnreachable):  # it dies before it answers
            ask(client)
        self.buried(points[0])
        for point in points[1:]:
            self.world.spawn(TRADEWIND_CRASH_AT=point)
            self.buried(point)

    def buried(self, point: str) -> None:
        assert self.world.daemon.wait_dead() == -9, f"{point}: {self.world.daemon.log()}"
        known = self.recorded()
        held = {tags["tradewind-instance"] for tags in self.world.tags()}
        assert held <= known, f"after a death at {point} there is what the record does not know"

    def recorded(self, *, live_only: bool = True) -> set[str]:
        """The instances that the record holds, those for alive or possible or all there ever were."""
        with contextlib.closing(
            sqlite3.connect(f"file:{self.world.data_dir}/record.sqlite?mode=ro", uri=True)
        ) as record:
            rows = record.execute("SELECT id, state FROM instances")
            return {name for name, state in rows if state != "ENDED" or not live_only}

    def survivor(self, state: str) -> DaemonClient:
        """A daemon that lives, once the cluster is in that state and there is just what the record says."""
        client = self.world.start()
        until(
            f"it is {state}",
            lambda: self.state(client) == state,
            lambda: f"{client.get(f'/v1/clusters/{self.cluster}')} {self.world.daemon.log()}",
        )
        assert {tags["tradewind-instance"] for tags in self.world.tags()} == self.recorded()
        return client

    def its_job_ran_once(self, *said: str) -> None:
        """Under a daemon that lives the cluster is up, and its one job succeeded and said each of these once."""
        client = self.survivor("UP")
        jobs = f"/v1/clusters/{self.cluster}/jobs"
        (job,) = until("the job ends", lambda: [j for j in client.get(jobs) if j["ended_unix"]], self.world.daemon.log)
        assert job["state"] == "SUCCEEDED", job
        log = b"".join(client.stream(f"{jobs}/1/logs")).decode()
        assert [log.count(one) for one in said] == [1] * len(said)

    def state(self, client: DaemonClient) -> str:
        return str(client.get(f"/v1/clusters/{self.cluster}")["state"])
