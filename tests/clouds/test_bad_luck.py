"""What goes wrong before a machine is there, through a real daemon: one clear sentence each, and nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import pathlib
import sqlite3
from collections.abc import Iterator

import pytest

from clouds.estate import OFFERS, Estate, open_estate
from clouds.shell import Shell
from tests.broker.nursery import Nursery
from tests.broker.real import task, until
from tradewind.broker.server.client import ApiError
from tradewind.cli import exits

ANY = "name: t\nresources: {use_spot: true}\nrun: echo hi\n"


@pytest.fixture
def estate(tmp_path: pathlib.Path, nursery: Nursery) -> Iterator[Estate]:
    with open_estate(tmp_path, None, nursery) as estate:
        yield estate


def launch(estate: Estate, client, text: str = ANY, **more: object) -> str:
    body = {"task": task(text), "accepted_hourly_usd": 1.0, "catalog": estate.catalog, "cluster": "mine", **more}
    return client.post("/v1/launch", body)["cluster"]


def exhaust(estate: Estate) -> None:
    for world, offer in zip((estate.aws, estate.gcp, estate.azure), OFFERS, strict=True):
        world.exhaust(world.request(offer=offer, use_spot=True))


def test_a_cloud_without_credentials_is_left_out_and_named(estate: Estate, tmp_path: pathlib.Path) -> None:
    client = estate.start(AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    plan = client.post("/v1/plan", {"task": task(ANY), "catalog": estate.catalog})
    assert plan["placements"][0]["cloud"] == "gcp"
    reasons = [one["reason"] for one in plan["references"] if one["cloud"] == "aws"]
    assert any("aws can't be used from here: no credentials here: aws configure" in reason for reason in reasons)
    (tmp_path / "task.yaml").write_text("resources: {infra: aws}\nrun: echo hi\n")
    said = Shell(estate, tmp_path).types(
        "launch", "task.yaml", "--catalog", estate.catalog, "-y", exit_code=exits.NO_PLAN
    )
    assert "no credentials here: aws configure" in said


def test_when_every_place_is_full_the_reasons_are_told_and_remembered(estate: Estate) -> None:
    exhaust(estate)
    client = estate.start()
    launch(estate, client)
    failed = until(
        "it gives up", lambda: (c := client.get("/v1/clusters/mine"))["state"] == "FAILED" and c, estate.daemon.log
    )
    assert "every place was refused" in failed["why"]
    until("nothing is left", lambda: estate.live() == 0)
    calls = [
        world.calls().count(name)
        for world, name in ((estate.aws, "ec2:RunInstances"), (estate.gcp, "compute.instances.insert"))
    ]
    with pytest.raises(ApiError):  # learnt for all: the next launch has no plan, and nobody is asked again
        launch(estate, client, cluster="other")
    again = [
        world.calls().count(name)
        for world, name in ((estate.aws, "ec2:RunInstances"), (estate.gcp, "compute.instances.insert"))
    ]
    assert calls == again


def test_retry_until_up_waits_and_says_for_what(estate: Estate) -> None:
    exhaust(estate)
    client = estate.start()
    launch(estate, client, retry_until_up=True)
    until(
        "it waits",
        lambda: "a place to become free" in client.get("/v1/clusters/mine")["waiting_for"],
        estate.daemon.log,
    )
    assert client.get("/v1/clusters/mine")["state"] == "PROVISIONING"
    assert client.post("/v1/clusters/mine/down")["state"] == "TERMINATED"


def test_a_login_that_has_expired_blocks_its_cloud_and_the_next_one_is_tried(
    estate: Estate, tmp_path: pathlib.Path
) -> None:
    estate.aws.forbid()
    estate.gcp.forbid()
    client = estate.start()
    launch(estate, client)
    until("it goes to Azure", lambda: client.get("/v1/clusters/mine")["cloud"] == "azure", estate.daemon.log)
    told = [e["data"]["why"] for e in client.get("/v1/events?subject=cluster/mine") if e["kind"] == "place refused"]
    assert len(told) == 2
    read = Shell(estate, tmp_path).types("events", "mine")
    assert all(why in read for why in told)
    client.post("/v1/clusters/mine/down")


def test_what_no_record_owns_is_reaped_and_what_it_owns_is_not(estate: Estate) -> None:
    client = estate.start()
    launch(estate, client, "resources: {infra: gcp, use_spot: true}\nrun: echo hi\n")
    until("it is bought", lambda: estate.gcp.live() == 1, estate.daemon.log)
    (owned,) = estate.gcp.cloud.compute.live()
    tags = {"tradewind-owner": _owner(estate), "tradewind-cluster": "lost-c9", "tradewind-instance": "lost"}
    request = estate.gcp.request("lost", cluster="lost-c9", tags=tags)

    async def lose() -> None:
        await estate.gcp.provider().launch(request, "lost")

    asyncio.run(lose())
    listed = client.post("/v1/reap", {"dry_run": True})
    assert [one["kind"] for one in listed["found"]].count("instance") == 1
    assert estate.gcp.live() == 2
    client.post("/v1/reap", {"dry_run": False})
    assert estate.gcp.cloud.compute.live() == [owned]
    assert client.post("/v1/reap", {"dry_run": True})["found"] == []
    client.post("/v1/clusters/mine/purge")  # its machine cannot be reached here, and its cloud is then asked by tag
    client.post("/v1/reap", {"dry_run": False})
    assert estate.gcp.held() == []


def _owner(estate: Estate) -> str:
    """The owner that this data directory's instances carry."""
    with contextlib.closing(sqlite3.connect(f"file:{estate.data_dir}/record.sqlite?mode=ro", uri=True)) as record:
        (tags,) = record.execute("SELECT tags FROM instances").fetchone()
    return json.loads(tags)["tradewind-owner"]
