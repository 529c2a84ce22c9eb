"""Clouds in bad moods, through the command line and a real daemon: what a person reads, where it goes instead, and nothing left behind."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from clouds.estate import OFFERS, Estate, open_estate
from clouds.fakes.aws.rules import Refusal
from clouds.fakes.aws.world import offer as aws_offer
from clouds.fakes.journal import Fault
from clouds.shell import Shell, purchases
from tests.broker.real import task, until

ANY = "name: mine\nresources: {use_spot: true}\nrun: echo hi\n"


@pytest.fixture
def estate(tmp_path: pathlib.Path) -> Iterator[Estate]:
    with open_estate(tmp_path, None) as estate:
        (tmp_path / "task.yaml").write_text(ANY)
        yield estate


def launch(estate: Estate, client, text: str = ANY) -> None:
    client.post("/v1/launch", {"task": task(text), "accepted_hourly_usd": 1.0, "catalog": estate.catalog})


def bought_at(estate: Estate, client, cloud: str) -> dict[str, str]:
    """It stands at that cloud; why each place before was passed over, by cloud."""
    until(f"it is bought at {cloud}", lambda: getattr(estate, cloud).live() == 1, estate.daemon.log)
    refused = [e["data"] for e in client.get("/v1/events?subject=cluster/mine") if e["kind"] == "place refused"]
    return {one["place"].partition("/")[0] if "place" in one else one["why"].split()[0]: one["why"] for one in refused}


def test_a_clock_an_hour_off_a_region_not_enabled_a_price_above_the_cap(estate: Estate) -> None:
    """One daemon meets them all: starting one for each would cost more than the rest."""
    offers = (OFFERS[0], aws_offer("eu-west-1", "euw1-az1", price_spot_usd_h=0.035), *OFFERS[1:])
    estate.write_catalog(offers)
    estate.aws.account.disabled_regions.add("us-east-1")
    client = estate.start()
    launch(estate, client)
    why = bought_at(estate, client, "aws")["aws"]
    assert "OptInRequired" in why
    assert "enable the region" in why
    assert client.get("/v1/clusters/mine")["region"] == "eu-west-1"
    client.post("/v1/clusters/mine/down")
    estate.aws.underprice()
    launch(estate, client)
    assert "SpotMaxPriceTooLow" in bought_at(estate, client, "gcp")["aws"]
    client.post("/v1/clusters/mine/down")
    estate.aws.account.clock_skewed = True
    launch(estate, client, ANY.replace("true", "false"))  # the other market: spot is left alone for now
    why = bought_at(estate, client, "azure")["aws"]  # as dear as Google, and first by name
    assert "Request has expired" in why
    assert "set this machine's clock (timedatectl set-ntp true)" in why
    estate.aws.account.clock_skewed = False
    client.post("/v1/clusters/mine/down")


def test_a_storm_of_throttling_and_server_errors_is_waited_out(estate: Estate) -> None:
    """Nothing but trouble is answered for a while; one instance is bought all the same, and ended. (Azure's storms: azure/test_faults.py.)"""
    left = {"RunInstances": 2, "DescribeInstances": 4, "CreateSecurityGroup": 2}

    def weather(action: str) -> None:
        if left.get(action, 0) > 0:
            left[action] -= 1
            code = ("RequestLimitExceeded", "InternalError")[left[action] % 2]
            raise Refusal(503 if left[action] % 2 == 0 else 500, code, "the cloud has a bad day")

    estate.aws.account.weather = weather
    estate.gcp.strike(Fault("*", 429, "rateLimitExceeded", times=6))
    estate.gcp.strike(Fault("*", 500, "internalError", times=6))
    client = estate.start()
    for cloud in ("aws", "gcp"):
        launch(estate, client, ANY.replace("use_spot", f"infra: {cloud}, use_spot"))
        bought_at(estate, client, cloud)
        client.post("/v1/clusters/mine/down")
        until("nothing is left", lambda: estate.held() == [], lambda: str(estate.held()))
    assert all(count == 0 for count in left.values())
    assert purchases(estate) >= 2


def test_ctrl_c_in_every_phase_of_launch(estate: Estate, tmp_path: pathlib.Path) -> None:
    """While it is planned or asked nothing is bought; from then on it goes on, and `down` ends it, whatever it was about."""
    client = estate.start()
    shell = Shell(estate, tmp_path)
    words = ("launch", "task.yaml", "--catalog", estate.catalog, "-c", "mine")
    asking = shell.starts(*words)
    asking.until("Buy ")
    assert asking.interrupt() == (130, "interrupted; nothing was bought.")
    assert client.get("/v1/clusters") == []
    # provisioning: the cloud takes its time over the purchase
    estate.aws.slow(0.4)
    buying = shell.starts(*words, "-y")
    buying.until("provisioning")  # said once the launch is handed over: from then on Ctrl-C detaches
    code, said = buying.interrupt()
    assert (code, said) == (130, "detached; it goes on running. Come back with `tradewind logs mine 1`.")
    assert "nothing of it is left" in shell.types("down", "mine", "-y")
    estate.aws.slow(0)
    assert estate.live() == 0
    # bootstrapping: nobody answers by SSH yet
    booting = shell.starts(*words, "-y")
    booting.until("bootstrapping")
    assert client.get("/v1/clusters/mine")["state"] == "BOOTSTRAPPING"
    assert booting.interrupt()[0] == 130
    assert estate.live() == 1, "it goes on"
    assert "nothing of it is left" in shell.types("down", "mine", "-y")
    assert estate.held() == []
