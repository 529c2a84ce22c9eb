"""A daemon of the commit before, with a running job, is replaced by this one: the job does not notice, and its record is read."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess

import pytest

from tests.broker.real import RealDaemon, task, until

ROOT = pathlib.Path(__file__).resolve().parents[2]
JOB = """
name: count
num_nodes: 2
resources: {{cpus: 2+, use_spot: true}}
run: |
  echo "$TRADEWIND_NODE_RANK began"
  while [ -e {gate} ]; do sleep 0.05; done
  echo "$TRADEWIND_NODE_RANK is done"
"""


def tree_before(directory: pathlib.Path) -> pathlib.Path:
    """The package of the commit before; where there is no history, this one under another version."""
    directory.mkdir()
    archive = subprocess.run(
        ["git", "-C", str(ROOT), "archive", "HEAD~1", "tradewind"], capture_output=True, check=False
    )
    if archive.returncode == 0:
        subprocess.run(["tar", "-x", "-C", str(directory)], input=archive.stdout, check=True)
        return directory
    shutil.copytree(ROOT / "tradewind", directory / "tradewind", ignore=shutil.ignore_patterns("__pycache__"))
    version = directory / "tradewind" / "__init__.py"
    version.write_text(version.read_text().replace('__version__ = "', '__version__ = "0.0.before-', 1))
    return directory


@pytest.fixture
def daemon(tmp_path):
    daemon = RealDaemon(str(tmp_path / "data"))
    yield daemon
    daemon.end()
    assert daemon.processes() == []
    assert daemon.instances_on_disk() == []


@pytest.mark.timeout(180)
def test_a_running_job_does_not_notice(daemon, tmp_path):
    before = tree_before(tmp_path / "before")
    gate = tmp_path / "gate"
    gate.touch()
    client = daemon.start(PYTHONPATH=os.fspath(before))
    body = {"task": task(JOB.format(gate=gate)), "rehearse": True, "accepted_hourly_usd": 1.0}
    job_id = client.post("/v1/jobs", body)["job_id"]

    def output():
        return b"".join(client.stream(f"/v1/jobs/{job_id}/logs"))

    until("both ranks run", lambda: output().count(b"began") == 2, daemon.log)
    client.stop()
    daemon.wait_dead()
    client = daemon.start()
    until("it is adopted", lambda: client.get(f"/v1/jobs/{job_id}")["state"] == "RUNNING", daemon.log)
    gate.unlink()
    ended = until("it ends", lambda: (job := client.get(f"/v1/jobs/{job_id}"))["ended_unix"] and job, daemon.log)
    assert (ended["state"], ended["attempt"], ended["recoveries"]) == ("SUCCEEDED", 1, 0), ended["why"]
    text = b"".join(client.stream(f"/v1/jobs/{job_id}/logs?follow=1"))
    assert text.count(b"began") == text.count(b"is done") == 2
    until("its cluster goes", lambda: client.get("/v1/clusters") == [], daemon.log)
