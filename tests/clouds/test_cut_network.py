"""A network that is cut under a running job, by a firewall that drops every packet: soon noticed, outlived when it comes back, given up when it does not."""

from __future__ import annotations

import os
import pathlib
import time
from collections.abc import Iterator
from typing import Any

import pytest

from clouds.estate import Estate, open_estate
from clouds.lab.doors import IPTABLES, cut_off
from clouds.lab.namespaces import Lab, open_lab
from tests.broker.real import task, until

JOB = """
name: count
resources: {use_spot: true}
run: |
  cd "$TRADEWIND_CHECKPOINT_DIR"; n=$(cat step 2>/dev/null || echo 0); echo "begins at $n"
  while true; do n=$((n + 1)); echo $n > x.tmp; mv x.tmp step; sleep 0.1; done
"""
pytestmark = [
    pytest.mark.skipif(not os.environ.get("TRADEWIND_SOAK"), reason="takes most of a minute: make soak-clouds"),
    pytest.mark.skipif(not IPTABLES, reason="no iptables here: apt-get install iptables"),
]


@pytest.fixture
def estate(tmp_path: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    def opened(lab: Lab) -> Any:
        return open_estate(tmp_path, lab)

    with open_lab(tmp_path_factory.mktemp("lab") / "lab") as lab, opened(lab) as estate:
        yield estate


@pytest.mark.timeout(240)
def test_a_cut_is_noticed_outlived_and_at_last_given_up(estate: Estate) -> None:
    client = estate.start()
    body = {"task": task(JOB), "accepted_hourly_usd": 1.0, "catalog": estate.catalog}
    number = client.post("/v1/jobs", body)["job_id"]

    def events(kind: str) -> list[dict[str, Any]]:
        return [e for e in client.get(f"/v1/events?subject=job/{number}") if e["kind"] == kind]

    until("it has saved something", lambda: events("checkpoint synced"), estate.daemon.log)
    machine = estate.machine("aws")
    began = time.time()
    cut_off(machine)
    (noticed,) = until("the cut is noticed", lambda: events("out of reach"), estate.daemon.log)
    cut_off(machine, cut=False)
    until("it is reached again", lambda: events("reached again"), estate.daemon.log)
    assert client.get(f"/v1/jobs/{number}")["attempt"] == 1, "it ran on"
    assert b"".join(client.stream(f"/v1/jobs/{number}/logs?follow=0")).count(b"begins at") == 1
    again = time.time()
    cut_off(machine)

    def recovered() -> bool:
        job = client.get(f"/v1/jobs/{number}")
        return job["state"] == "RUNNING" and job["attempt"] == 2

    until("it goes on elsewhere", recovered, lambda: f"{client.get(f'/v1/jobs/{number}')} {estate.daemon.log()}")
    assert estate.live() == 1, "the one that was cut off was ended at its cloud"
    print(
        f"a cut was noticed after {noticed['unix'] - began:.1f} s, one that stays recovered from after {time.time() - again:.1f} s"
    )
    client.post(f"/v1/jobs/{number}/cancel")
    until("nothing is left", lambda: estate.held() == [], lambda: str(estate.held()))
