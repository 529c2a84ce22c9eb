"""Where a task's `checkpoint` leads: another machine goes on from there, and a place that cannot be used is refused before anything is bought."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterator

import pytest

from tests.broker.real import RealDaemon, task, until
from tradewind.broker.server.client import ApiError, DaemonClient

COUNT = """
name: count
checkpoint: {place}
resources: {{infra: local}}
run: |
  cd "$TRADEWIND_CHECKPOINT_DIR"
  at=$(cat count 2>/dev/null || echo 0)
  echo "begins at $at"
  echo $((at + 1)) > count.tmp && mv count.tmp count
  {end}
"""


@contextlib.contextmanager
def a_machine(directory: pathlib.Path) -> Iterator[DaemonClient]:
    daemon = RealDaemon(str(directory / "data"))
    try:
        yield daemon.start()
    finally:
        daemon.end()


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonClient]:
    with a_machine(tmp_path_factory.mktemp("one")) as client:
        yield client


def submit(client, text: str, **more):
    return client.post("/v1/jobs", {"task": task(text), "accepted_hourly_usd": 1.0, **more})["job_id"]


def ended(client, job_id: int) -> tuple[str, str]:
    job = until("it ends", lambda: (j := client.get(f"/v1/jobs/{job_id}"))["ended_unix"] and j)
    return job["state"], b"".join(client.stream(f"/v1/jobs/{job_id}/logs?follow=1")).decode()


@pytest.mark.end_to_end
def test_another_machine_goes_on(one: DaemonClient, tmp_path: pathlib.Path) -> None:
    place = str(tmp_path / "shared" / "count")
    state, said = ended(one, submit(one, COUNT.format(place=place, end="exit 3")))
    assert (state, said.count("begins at 0")) == ("FAILED", 1)
    with a_machine(tmp_path / "other") as other:
        state, said = ended(other, submit(other, COUNT.format(place=place, end="true")))
    assert state == "SUCCEEDED"
    assert "begins at 1" in said
    again = submit(one, COUNT.format(place=f"file://{place}", end="true"))
    assert "begins at 2" in ended(one, again)[1], "the first machine sees what the other wrote"


@pytest.mark.end_to_end
def test_refused_before_anything_is_bought(one: DaemonClient, tmp_path: pathlib.Path) -> None:
    client = one
    (tmp_path / "file").write_text("")
    with pytest.raises(ApiError, match="the checkpoints cannot be kept at .*file/x"):
        submit(client, COUNT.format(place=tmp_path / "file" / "x", end="true"))
    with pytest.raises(ApiError, match="password may not stand in a URI") as refused:
        submit(client, COUNT.format(place="sftp://ada:hunter22@host/x", end="true"))
    assert "hunter22" not in str(refused.value)
    place = str(tmp_path / "shared")
    first = submit(client, COUNT.format(place=place, end="sleep 600"))
    with pytest.raises(ApiError, match=f"managed job {first} keeps its checkpoints at"):
        submit(client, COUNT.format(place=place, end="true"))
    with pytest.raises(ApiError, match="checkpoints are kept for managed jobs"):
        client.post("/v1/launch", {"task": task(COUNT.format(place=place, end="true")), "accepted_hourly_usd": 1.0})
    client.post(f"/v1/jobs/{first}/cancel")
    until("it is over", lambda: client.get(f"/v1/jobs/{first}")["ended_unix"])


@pytest.mark.end_to_end
def test_a_rehearsal_touches_no_place_and_arrays_have_one_each(one: DaemonClient, tmp_path: pathlib.Path) -> None:
    client = one
    place = tmp_path / "shared"
    text = COUNT.format(place=place, end="true")
    assert ended(client, submit(client, text, rehearse=True))[0] == "SUCCEEDED"
    assert not place.exists()
    job = {"task": task(text), "accepted_hourly_usd": 1.0}
    array = client.post("/v1/arrays", {"job": job, "members": [{"A": "1"}, {"A": "2"}]})["array_id"]
    until("it ends", lambda: client.get(f"/v1/arrays/{array}")["succeeded"] == 2)
    assert sorted(p.name for p in place.iterdir()) == ["0", "1", "tradewind.txt"]
