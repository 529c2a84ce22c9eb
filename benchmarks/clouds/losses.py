"""How soon a lost instance is noticed: by a cut cable and by a killed machine, at each cloud, by a real daemon."""

from __future__ import annotations

import asyncio
import pathlib
import tempfile
import time
from collections.abc import Callable
from typing import Any

from clouds.estate import Estate, open_estate
from clouds.lab.namespaces import open_lab, why_no_lab

from benchmarks.clouds.figures import Figure
from tests.broker.real import until
from tradewind.broker.server.client import DaemonClient
from tradewind.spec import parse_task, task_to_dict

POWER, KILL = (
    "an instance that lost power is noticed (the slowest of 3 clouds)",
    "an instance that was killed is noticed (the slowest of 3 clouds)",
)
CLOUDS = ("aws", "gcp", "azure")
TASK = "resources: {{infra: {cloud}, use_spot: true}}\nrun: sleep 600\n"


async def losses() -> list[Figure]:
    """A cluster at each cloud for each way of dying; what it waits for is that its job is said to be lost."""
    if why := why_no_lab():
        return [Figure(POWER, 5.0, None, why), Figure(KILL, 1.0, None, why)]
    return await asyncio.to_thread(_measured)


def _measured() -> list[Figure]:
    with (
        tempfile.TemporaryDirectory() as directory,
        open_lab(pathlib.Path(directory, "lab")) as lab,
        open_estate(pathlib.Path(directory, "estate"), lab) as estate,
    ):
        client = estate.start()
        power = {cloud: _lost(estate, client, cloud, "power", estate.take) for cloud in CLOUDS}
        killed = {cloud: _lost(estate, client, cloud, "kill", _kill(estate)) for cloud in CLOUDS}
    return [_figure(POWER, 5.0, power), _figure(KILL, 1.0, killed)]


def _figure(what: str, goal_s: float, by_cloud: dict[str, float]) -> Figure:
    return Figure(what, goal_s, max(by_cloud.values()), ", ".join(f"{c} {s:.2f} s" for c, s in by_cloud.items()))


def _kill(estate: Estate) -> Callable[[str], None]:
    def kill(cloud: str) -> None:
        machine = estate.machine(cloud)
        machine.cut_cable = lambda: None  # type: ignore[method-assign]  it stays in: its peers see the connection end
        estate.take(cloud)

    return kill


def _lost(estate: Estate, client: DaemonClient, cloud: str, how: str, take: Callable[[str], None]) -> float:
    """Seconds from the death to the cluster's being known to be lost."""
    name = f"{cloud}-{how}"
    task: dict[str, Any] = task_to_dict(parse_task(TASK.format(cloud=cloud), "task.yaml", "/"))
    body = {"task": task, "cluster": name, "accepted_hourly_usd": 1.0, "catalog": estate.catalog}
    client.post("/v1/launch", body)
    until("it runs", lambda: client.get(f"/v1/clusters/{name}")["state"] == "UP", estate.daemon.log)
    began = time.monotonic()
    take(cloud)
    until("it is noticed", lambda: client.get(f"/v1/clusters/{name}")["state"] != "UP", estate.daemon.log)
    seconds = time.monotonic() - began
    client.post(f"/v1/clusters/{name}/down")
    return seconds
