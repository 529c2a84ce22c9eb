"""A real daemon that SIGKILLs itself at each boundary of a job alone, on each cloud and on machines of one's own: the next one finishes, and nothing
was bought twice.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator

import pytest

from clouds.estate import Estate, open_estate
from clouds.lab.namespaces import Lab
from clouds.ssh.desks import Desks, open_desks
from tests.broker.nursery import Nursery
from tests.broker.real import task, until
from tradewind.broker.provision.boundary import LIFE

JOB = "name: once\nresources: {{infra: {cloud}, use_spot: {spot}}}\nrun: echo it ran\n"
# All that a job's life passes when nothing is lost; `make test` has a cluster's daemons die one after the other at most of them instead.
POINTS = [f"{name}:1" for name in LIFE if not name.startswith("replan:")]
CLOUDS = ("aws", "gcp", "azure", "ssh")
pytestmark = pytest.mark.skipif(not os.environ.get("TRADEWIND_SOAK"), reason="takes minutes: make soak-clouds")


@pytest.fixture
def estate(lab: Lab, nursery: Nursery, tmp_path: pathlib.Path, cloud: str) -> Iterator[Estate | Desks]:
    with open_desks(tmp_path, lab, nursery) if cloud == "ssh" else open_estate(tmp_path, lab, nursery) as estate:
        yield estate


@pytest.mark.timeout(120)
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_killed_there_the_next_daemon_finishes(estate: Estate | Desks, cloud: str, point: str) -> None:
    client = estate.start(TRADEWIND_CRASH_AT=point)
    body = {
        "task": task(JOB.format(cloud=cloud, spot=str(cloud != "ssh").lower())),
        "accepted_hourly_usd": 1.0,
        "client_key": "k",
    }
    if isinstance(estate, Estate):
        body["catalog"] = estate.catalog
    try:
        job_id = client.post("/v1/jobs", body)["job_id"]
    except Exception:  # it may die before it has answered
        job_id = 1
    assert estate.daemon.wait_dead() == -9, f"{point} is never passed"
    client = estate.start()
    assert client.post("/v1/jobs", body)["job_id"] == job_id, "the same request is the same job"

    def ended() -> bool:
        assert estate.live() <= 1, "nothing is bought twice"
        job = client.get(f"/v1/jobs/{job_id}")
        return bool(job["ended_unix"]) and job["cluster_state"] == "TERMINATED"

    until("the job ends", ended, lambda: f"{client.get(f'/v1/jobs/{job_id}')} {estate.daemon.log()}")
    job = client.get(f"/v1/jobs/{job_id}")
    assert job["state"] == "SUCCEEDED", job["why"]
    assert len(job["attempts"]) == 1
    assert len(estate.bought()) == 1
    assert b"".join(client.stream(f"/v1/jobs/{job_id}/logs")).decode().count("it ran") == 1
    until("nothing is left", lambda: estate.held() == [], lambda: str(estate.held()))
