"""A cloud says that it will take a machine: what the agent hears, what the job is told, and what of its work lies safe before the machine goes."""

from __future__ import annotations

import contextlib
import pathlib
import re
from typing import Any

import pytest

from clouds.estate import Estate
from clouds.lab.metadata import Cloud, MetadataService
from clouds.shell import Shell
from tests.broker.real import task, until

CLOUDS: tuple[Cloud, ...] = ("aws", "gcp", "azure")
LEFT_S = {"aws": 90.0, "gcp": 30.0, "azure": 40.0}
JOB = """
name: warned
resources: {{infra: {cloud}, use_spot: true}}
config:
  hooks: [{{run: 'sleep 0.5; echo "the hook ran on $TRADEWIND_NODE_RANK"; echo h > "$TRADEWIND_CHECKPOINT_DIR/hook"', events: [preemption]}}]
run: |
  [ -f "$TRADEWIND_CHECKPOINT_DIR/told" ] && echo "goes on from what was told on $(cat "$TRADEWIND_CHECKPOINT_DIR/told")"
  trap 'echo "I was told"; echo {cloud} > "$TRADEWIND_CHECKPOINT_DIR/told.tmp"; mv "$TRADEWIND_CHECKPOINT_DIR/told.tmp" "$TRADEWIND_CHECKPOINT_DIR/told"; exit 0' TERM
  echo ready
  while true; do sleep 0.1; done
"""


@pytest.mark.timeout(200)
def test_on_each_cloud_the_job_is_told_its_hook_runs_and_its_last_checkpoint_is_here(
    estate: Estate, tmp_path: pathlib.Path
) -> None:
    client = estate.start()
    ids: dict[Cloud, int] = {}
    for cloud in CLOUDS:
        body = {"task": task(JOB.format(cloud=cloud)), "accepted_hourly_usd": 1.0, "catalog": estate.catalog}
        ids[cloud] = client.post("/v1/jobs", body)["job_id"]

    def job(cloud: Cloud) -> dict[str, Any]:
        return client.get(f"/v1/jobs/{ids[cloud]}")

    def events(cloud: Cloud, kind: str) -> list[dict[str, Any]]:
        return [e for e in client.get(f"/v1/events?subject=job/{ids[cloud]}") if e["kind"] == kind]

    def kept(cloud: Cloud) -> set[str]:
        return {event["data"]["name"] for event in events(cloud, "checkpoint synced")}

    def output(cloud: Cloud) -> str:
        return b"".join(client.stream(f"/v1/jobs/{ids[cloud]}/logs?follow=0")).decode()

    def told() -> str:
        return f"{[job(c) for c in CLOUDS]}\n{estate.daemon.log()}"

    with contextlib.ExitStack() as stack:
        for cloud in CLOUDS:
            until(f"it runs on {cloud}", lambda c=cloud: "ready" in output(c), told)
            service = stack.enter_context(MetadataService(estate.machine(cloud), cloud))
            service.announce(LEFT_S[cloud])
        for cloud in CLOUDS:
            until(f"{cloud}'s notice", lambda c=cloud: events(c, "notice"), told)
            until(f"the last checkpoints from {cloud}", lambda c=cloud: kept(c) == {"told", "hook"}, told)
            (notice,) = events(cloud, "notice")
            assert LEFT_S[cloud] - 25 < notice["data"]["seconds_left"] <= LEFT_S[cloud]
            assert job(cloud)["state"] == "RUNNING"  # its end is the machine's, not the program's
            assert "I was told" in output(cloud)
            assert "the hook ran on 0" in output(cloud)
            store = pathlib.Path(estate.data_dir, "checkpoints", str(ids[cloud]), "rank-0")
            assert {path.name for path in store.rglob("*")} >= {"told", "hook"}
    shown = Shell(estate, tmp_path).types("events", str(ids["aws"]))
    assert re.search(r"notice +its cloud takes the machine in \d+ s", shown), shown
    estate.take("gcp")
    until("it goes on", lambda: "goes on from what was told on gcp" in output("gcp"), told)
    until("it is counted as a recovery", lambda: job("gcp")["recoveries"] == 1, told)
    for cloud in CLOUDS:
        client.post(f"/v1/jobs/{ids[cloud]}/cancel")
    until("nothing is left", lambda: estate.held() == [], lambda: str(estate.held()))
