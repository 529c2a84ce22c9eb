"""A real daemon that SIGKILLs itself at ten boundaries of a job's life, over real local instances; then once while the job runs."""

from __future__ import annotations

import os

import pytest

from tests.broker.real import RealDaemon, task, until

JOB = """
name: count
num_nodes: 2
resources: {{cpus: 2+, use_spot: true}}
run: |
  echo "$TRADEWIND_JOB_ID $TRADEWIND_NODE_RANK" >> {witness}
  while [ -e {gate} ]; do sleep 0.05; done
  echo done on $TRADEWIND_NODE_RANK
"""

POINTS = (
    "intent:committed:1",
    "launch:after:1",
    "launch:recorded:2",
    "instances:running:1",
    "bootstrap:agent-started:1",
    "bootstrap:head:1",
    "bootstrap:done:1",
    "job:before-start:1",
    "job:started:1",
    "release:terminated:1",
)


@pytest.fixture
def daemon(tmp_path):
    daemon = RealDaemon(str(tmp_path / "data"))
    yield daemon
    daemon.end()
    assert daemon.processes() == []
    assert daemon.instances_on_disk() == []


def submit(client, tmp_path, *, gate="no-gate"):
    text = JOB.format(witness=tmp_path / "witness", gate=tmp_path / gate)
    body = {"task": task(text), "rehearse": True, "accepted_hourly_usd": 1.0, "client_key": "k"}
    return client.post("/v1/jobs", body)["job_id"]


def rows_equal_instances(daemon, client):
    """Whether the record's live instances are those on disk, and all processes belong to one of them."""
    recorded = sorted(i["instance_id"] for c in client.get("/v1/clusters") for i in c["instances"])
    return recorded == daemon.instances_on_disk()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("point", POINTS)
def test_killed_there_the_next_daemon_finishes(daemon, tmp_path, point):
    client = daemon.start(TRADEWIND_CRASH_AT=point)
    try:
        job_id = submit(client, tmp_path)
    except Exception:  # it may die before it has answered
        job_id = 1
    assert daemon.wait_dead() == -9, f"{point} is never passed"
    client = daemon.start()
    assert submit(client, tmp_path) == job_id, "the same request is the same job"
    ended = until(
        "the job ends",
        lambda: (
            (job := client.get(f"/v1/jobs/{job_id}"))["ended_unix"] and job["cluster_state"] == "TERMINATED" and job
        ),
        daemon.log,
    )
    assert ended["state"] == "SUCCEEDED", ended["why"]
    assert rows_equal_instances(daemon, client)
    started = (tmp_path / "witness").read_text().split("\n")[:-1]
    assert len(started) == len(set(started)), "no rank of an attempt ran twice"
    output = b"".join(client.stream(f"/v1/jobs/{job_id}/logs")).decode()
    assert output.count("done on 0") == output.count("done on 1") == 1


@pytest.mark.timeout(180)
def test_a_job_runs_on_while_its_daemon_is_dead(daemon, tmp_path):
    gate = tmp_path / "gate"
    gate.touch()
    client = daemon.start()
    job_id = submit(client, tmp_path, gate="gate")
    until("it runs", lambda: client.get(f"/v1/jobs/{job_id}")["state"] == "RUNNING", daemon.log)
    until("both ranks run", lambda: len((tmp_path / "witness").read_text().splitlines()) == 2)
    daemon.kill()
    os.unlink(gate)  # it ends while nobody looks
    client = daemon.start()
    until("it is seen to have ended", lambda: client.get(f"/v1/jobs/{job_id}")["state"] == "SUCCEEDED", daemon.log)
    assert client.get(f"/v1/jobs/{job_id}")["attempt"] == 1
    output = b"".join(client.stream(f"/v1/jobs/{job_id}/logs?follow=1")).decode()
    assert sorted(output.splitlines()) == ["(head, rank=0) done on 0", "(worker, rank=1) done on 1"]
    until("its cluster goes", lambda: client.get("/v1/clusters") == [], daemon.log)
