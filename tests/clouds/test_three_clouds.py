"""The whole promise: the digits job on AWS's spot market, taken by a loss of power, goes on at Google, is taken again, and finishes at Azure.

Its checkpoints follow it by way of a bucket that the task names; after the first loss the bucket is all there is.
"""

from __future__ import annotations

import os
import shutil
import time

import pytest

from clouds.estate import Estate
from clouds.fakes.aws.buckets import fake_s3
from clouds.lab.namespaces import ROOT
from tests.broker.real import until
from tradewind.spec import load_task, task_to_dict

DIGITS = os.path.join(ROOT, "examples", "digits", "train.yaml")


@pytest.mark.timeout(240)
def test_digits_over_three_clouds(estate: Estate) -> None:
    with fake_s3("training") as endpoint:
        digits_over_three_clouds(estate, endpoint)


def digits_over_three_clouds(estate: Estate, bucket: str) -> None:
    client = estate.start(AWS_ENDPOINT_URL_S3=bucket)
    task = task_to_dict(load_task(DIGITS, base_dir=str(ROOT)))
    task["num_nodes"] = 1
    task["run"] = "python train.py --steps 300 --checkpoint-every 1"  # enough for the accuracy; the machine is shared
    task["checkpoint"] = "s3://training/digits"
    body = {"task": task, "accepted_hourly_usd": 1.0, "catalog": estate.catalog}
    job_id = client.post("/v1/jobs", body)["job_id"]

    def job() -> dict:
        return client.get(f"/v1/jobs/{job_id}")

    def saved() -> int:
        events = client.get(f"/v1/events?subject=job/{job_id}")
        return sum(event["kind"] == "checkpoint synced" for event in events)

    def told() -> str:
        return f"{job()['state']}: {job()['why']} {job()['waiting_for']}\n{estate.daemon.log()}"

    before = 0
    for number, cloud in enumerate(("aws", "gcp"), 1):
        until(f"attempt {number} runs", lambda n=number: job()["attempt"] == n and job()["state"] == "RUNNING", told)
        assert estate.live() == 1
        until(f"a checkpoint from {cloud}", lambda so_far=before: saved() > so_far, told)
        estate.take(cloud)
        taken = time.monotonic()
        until("the loss is noticed", lambda: job()["state"] == "RECOVERING", told)
        assert time.monotonic() - taken < 6
        before = saved()
        shutil.rmtree(os.path.join(estate.data_dir, "checkpoints", str(job_id)), ignore_errors=cloud != "aws")
    until("it ends", lambda: job()["ended_unix"], told)
    reasons = [attempt["why"] for attempt in job()["attempts"]]
    assert "AWS took the instance back" in reasons[0]
    assert "Compute Engine preempted it" in reasons[1]
    output = b"".join(client.stream(f"/v1/jobs/{job_id}/logs")).decode()
    assert job()["state"] == "SUCCEEDED", f"{job()['why']}\n{output}"
    assert [a["place"].partition("/")[0] for a in job()["attempts"]] == ["aws", "gcp", "azure"]
    assert output.count("resumed from the checkpoint at step") == 2
    assert "test accuracy 0.9" in output
    until("nothing is left", lambda: estate.held() == [], lambda: str(estate.held()))
