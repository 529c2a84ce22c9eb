"""What goes wrong before a machine is there, through a real daemon: one clear sentence each, and nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import pathlib
import sqlite3
import threading
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

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


LOGGED_OUT = {
    "aws": ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "no credentials here: aws configure"),
    "gcp": (
        {"GOOGLE_APPLICATION_CREDENTIALS": ""},
        "no credentials here: gcloud auth application-default login",
    ),
    "azure": ({"AZURE_CONFIG_DIR": "/nowhere"}, "no credentials here: az login"),
}


@pytest.mark.parametrize("cloud", list(LOGGED_OUT))
def test_a_cloud_without_credentials_is_left_out_and_named(estate: Estate, tmp_path: pathlib.Path, cloud: str) -> None:
    without, mend = LOGGED_OUT[cloud]
    client = estate.start(**without)
    plan = client.post("/v1/plan", {"task": task(ANY), "catalog": estate.catalog})
    assert plan["placements"][0]["cloud"] == ("gcp" if cloud == "aws" else "aws")
    reasons = [one["reason"] for one in plan["references"] if one["cloud"] == cloud]
    assert any(f"{cloud} can't be used from here: {mend}" in reason for reason in reasons)
    (tmp_path / "task.yaml").write_text(f"resources: {{infra: {cloud}}}\nrun: echo hi\n")
    shell = Shell(estate, tmp_path)
    said = shell.types("launch", "task.yaml", "--catalog", estate.catalog, "-y", exit_code=exits.NO_PLAN)
    assert mend in said
    elsewhere = "The daemon was started from another environment than this shell"  # which has the login, as of one who has just set it
    assert elsewhere in said
    assert "`tradewind api stop`" in said
    assert elsewhere in shell.types("check", cloud)
    assert elsewhere not in Shell(estate, tmp_path, **without).types("check")


def test_when_every_place_is_full_the_reasons_are_told_and_remembered(estate: Estate, tmp_path: pathlib.Path) -> None:
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
    with pytest.raises(ApiError, match="not long ago every place was refused") as refused:  # learnt for all
        launch(estate, client, cluster="other")
    assert failed["why"].removeprefix("every place was refused") in str(refused.value), "for the same reasons"
    assert "--retry-until-up waits" in str(refused.value)
    launch(estate, client, cluster="patient", retry_until_up=True)
    assert "a place to become free" in until(
        "it waits", lambda: client.get("/v1/clusters/patient")["waiting_for"], estate.daemon.log
    )
    again = [
        world.calls().count(name)
        for world, name in ((estate.aws, "ec2:RunInstances"), (estate.gcp, "compute.instances.insert"))
    ]
    assert calls == again, "nobody was asked"
    assert client.post("/v1/clusters/patient/down")["state"] == "TERMINATED"


def test_of_many_zones_without_room_one_sentence_is_left(estate: Estate, tmp_path: pathlib.Path) -> None:
    zones = ("us-central1-a", "us-central1-b", "us-central1-f", "us-west1-a", "europe-west4-a", "europe-west4-b")
    offers = [replace(OFFERS[1], region=zone[:-2], zone=zone) for zone in zones]
    estate.write_catalog(tuple(offers))
    for offer in offers:
        estate.gcp.exhaust(estate.gcp.request(offer=offer, use_spot=True))
    estate.start()
    (tmp_path / "task.yaml").write_text(ANY)
    said = Shell(estate, tmp_path).types("launch", "task.yaml", "--catalog", estate.catalog, "-y", exit_code=1)
    (sentence,) = [line for line in said.splitlines() if "every place was refused" in line]
    assert sentence.count("refused:") == 1
    assert f"and {len(zones) - 1} more like it" in sentence


def test_logged_in_again_the_same_command_works(estate: Estate, tmp_path: pathlib.Path) -> None:
    """What a person types twice: the login has expired, they mend it, and neither daemon nor name is in the way."""
    client = estate.start()
    (tmp_path / "task.yaml").write_text("name: mine\nresources: {infra: aws, use_spot: true}\nrun: echo hi\n")
    shell = Shell(estate, tmp_path)
    words = ("launch", "task.yaml", "--catalog", estate.catalog, "-y")
    estate.aws.forbid()
    assert "log in again: aws configure, or aws sso login" in shell.types(*words, exit_code=1)
    assert client.get("/v1/clusters/mine")["state"] == "FAILED"
    again = shell.types(*words, exit_code=exits.NO_PLAN)
    assert "log in again: aws configure, or aws sso login" in again, "still out"
    estate.aws.account.faults.forbidden = False
    assert "mine is FAILED; it is made anew" in shell.types(*words, "-d")
    until("it is bought", lambda: estate.aws.live() == 1, estate.daemon.log)
    client.post("/v1/clusters/mine/down")


PURCHASE = {
    "aws": "RunInstances",
    "gcp": "compute.instances.insert",
    "azure": "Microsoft.Compute/virtualMachines/write",
}


@pytest.mark.parametrize("cloud", list(PURCHASE))
def test_a_login_that_expires_between_a_purchase_and_the_next_question_leaks_nothing(
    estate: Estate, cloud: str
) -> None:
    """The cloud turns every question away from then on, and has sold a machine: the cluster waits for it to answer, and says so."""
    world = getattr(estate, cloud)
    bought: list[str] = []

    def see(call: str) -> None:
        if bought:
            world.forbid()
        elif call == PURCHASE[cloud]:
            bought.append(call)

    if cloud == "aws":
        world.account.weather = see
    else:
        world.cloud.journal.on_call = see
    client = estate.start()
    launch(estate, client, f"resources: {{infra: {cloud}, use_spot: true}}\nrun: echo hi\n")
    waiting = f"{cloud} to answer, so that nothing of it is left there"
    until("it waits", lambda: waiting in client.get("/v1/clusters/mine")["waiting_for"], estate.daemon.log)
    assert world.live() == 1, "it was bought"
    bought.clear()
    if cloud == "aws":
        world.account.faults.forbidden = False
    else:
        world.cloud.signed_out = False
    until("it is ended", lambda: world.live() == 0, estate.daemon.log)
    client.post("/v1/clusters/mine/down")
    assert estate.held() == []


@pytest.mark.parametrize("cloud", ["gcp", "azure"])
def test_down_says_that_it_waits_for_a_login_and_goes_on_once_it_is_accepted(
    estate: Estate, tmp_path: pathlib.Path, cloud: str
) -> None:
    client = estate.start()
    launch(estate, client, f"resources: {{infra: {cloud}, use_spot: true}}\nrun: echo hi\n")
    world = getattr(estate, cloud)
    until("it is bought", lambda: client.get("/v1/clusters/mine")["state"] == "BOOTSTRAPPING", estate.daemon.log)
    world.forbid()
    ending = Shell(estate, tmp_path).starts("down", "mine", "-y")
    waiting = f"{cloud} to answer, so that nothing of it is left there: "
    told = until(
        "it says so",
        lambda: (now := client.get("/v1/clusters/mine")["waiting_for"]).startswith(waiting) and now,
        estate.daemon.log,
    )
    assert "log in again: " in told
    ending.until(f"ending mine: waits for {cloud} to answer")
    world.cloud.signed_out = False
    assert "nothing of it is left" in ending.ends()[1]
    assert estate.held() == []


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


def test_a_cluster_that_failed_ends_though_its_cloud_refuses_every_question_for_a_while(estate: Estate) -> None:
    """Nothing of it runs; what may have been left there is asked for all the same, and the wait for that is told."""
    estate.gcp.exhaust(estate.gcp.request(offer=OFFERS[1], use_spot=True))
    client = estate.start()
    launch(estate, client, "resources: {infra: gcp, use_spot: true}\nrun: echo hi\n")
    until("it gives up", lambda: client.get("/v1/clusters/mine")["state"] == "FAILED", estate.daemon.log)
    estate.gcp.forbid()
    ending = threading.Thread(target=client.post, args=("/v1/clusters/mine/down",))
    ending.start()
    until(
        "it says so",
        lambda: "gcp to answer, so that nothing of it is left there" in client.get("/v1/clusters/mine")["waiting_for"],
        estate.daemon.log,
    )
    estate.gcp.cloud.signed_out = False
    ending.join()
    assert client.get("/v1/clusters/mine")["state"] == "TERMINATED"


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
    assert all("log in again: " in why for why in told)
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
