"""Clouds in bad moods, through the command line and a real daemon: what a person reads, where it goes instead, and nothing left behind."""

from __future__ import annotations

import os
import pathlib
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from clouds.azure.world import offer as azure_offer
from clouds.estate import OFFERS, Estate, open_estate
from clouds.fakes.aws.rules import Refusal
from clouds.fakes.aws.world import offer as aws_offer
from clouds.fakes.journal import Fault
from clouds.gcp.world import offer as gcp_offer
from clouds.moments import at_the_first
from clouds.shell import Shell, purchases
from tests.broker.nursery import Nursery
from tests.broker.real import DEADLINE_S, task, until
from tradewind.catalog.offer import Offer

ANY = "name: mine\nresources: {use_spot: true}\nrun: echo hi\n"


@pytest.fixture
def estate(tmp_path: pathlib.Path, nursery: Nursery) -> Iterator[Estate]:
    with open_estate(tmp_path, None, nursery) as estate:
        (tmp_path / "task.yaml").write_text(ANY)
        yield estate


def launch(estate: Estate, client, text: str = ANY) -> None:
    client.post("/v1/launch", {"task": task(text), "accepted_hourly_usd": 1.0, "catalog": estate.catalog})


def bought_at(estate: Estate, client, cloud: str) -> dict[str, str]:
    """It stands at that cloud; why each place before was passed over, by cloud."""
    until(f"it is bought at {cloud}", lambda: getattr(estate, cloud).live() == 1, estate.daemon.log)
    refused = [e["data"] for e in client.get("/v1/events?subject=cluster/mine") if e["kind"] == "place refused"]
    return {one["place"].partition("/")[0] if "place" in one else one["why"].split()[0]: one["why"] for one in refused}


def test_a_clock_an_hour_off_a_region_not_enabled_a_price_above_the_cap(estate: Estate, tmp_path: pathlib.Path) -> None:
    """One daemon meets them all: starting one for each would cost more than the rest."""
    offers = (OFFERS[0], aws_offer("eu-west-1", "euw1-az1", price_spot_usd_h=0.035), *OFFERS[1:])
    estate.write_catalog(offers)
    estate.aws.account.disabled_regions.add("us-east-1")
    client = estate.start()
    launch(estate, client)
    why = bought_at(estate, client, "aws")["aws"]
    assert "OptInRequired" in why
    assert "enable the region" in why
    assert why in Shell(estate, tmp_path).types("events", "mine")
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


@pytest.mark.parametrize(
    ("cloud", "offers", "said", "mend"),
    [
        (
            "gcp",
            (
                gcp_offer(price_spot_usd_h=0.05),
                gcp_offer(region="europe-west4", zone="europe-west4-a", price_spot_usd_h=0.06),
            ),
            "violates constraint constraints/gcp.resourceLocations",
            "name a region that it allows",
        ),
        (
            "azure",
            (azure_offer(price_spot_usd_h=0.05), azure_offer(region="westeurope", price_spot_usd_h=0.06)),
            "was disallowed by Azure",
            "have Azure's support open this one",
        ),
    ],
)
def test_a_region_not_enabled_and_a_clock_an_hour_off(
    estate: Estate, tmp_path: pathlib.Path, cloud: str, offers: tuple[Offer, Offer], said: str, mend: str
) -> None:
    """The same at the other two, in the words of each; what a refused launch had made before is gone with the cluster."""
    estate.write_catalog((*offers, aws_offer(price_spot_usd_h=0.09)))
    estate.gcp.cloud.compute.closed_regions.add("us-central1")
    estate.azure.cloud.arm.closed_locations.add("eastus")
    client = estate.start()
    shell = Shell(estate, tmp_path)
    launch(estate, client)
    why = bought_at(estate, client, cloud)[cloud]
    assert said in why
    assert mend in why
    assert why in shell.types("events", "mine")
    assert client.get("/v1/clusters/mine")["region"] == offers[1].region
    client.post("/v1/clusters/mine/down")
    for vendor in (estate.gcp.cloud, estate.azure.cloud):
        vendor.set_clock(3600)
    launch(estate, client)
    why = bought_at(estate, client, "aws")[cloud]
    assert "this machine's clock is 60 min behind" in why
    assert why.endswith("; set this machine's clock (timedatectl set-ntp true)")
    checked = shell.types("check", cloud, exit_code=1)
    assert "clock" in checked
    assert "timedatectl set-ntp true" in checked
    assert "login" not in checked, "logging in again would not help"
    for vendor in (estate.gcp.cloud, estate.azure.cloud):
        vendor.set_clock(0)
    client.post("/v1/clusters/mine/down")


def test_a_storm_of_throttling_and_server_errors_is_waited_out(estate: Estate) -> None:
    """Nothing but trouble is answered for a while; one instance is bought all the same, and ended."""
    left = {"RunInstances": 2, "DescribeInstances": 4, "CreateSecurityGroup": 2}

    def weather(action: str) -> None:
        if left.get(action, 0) > 0:
            left[action] -= 1
            code = ("RequestLimitExceeded", "InternalError")[left[action] % 2]
            raise Refusal(503 if left[action] % 2 == 0 else 500, code, "the cloud has a bad day")

    estate.aws.account.weather = weather
    for world, throttled, failed, times in (
        (estate.gcp, "rateLimitExceeded", "internalError", 3),
        (estate.azure, "TooManyRequests", "InternalServerError", 6),
    ):
        world.strike(Fault("*", 429, throttled, times=times))
        world.strike(Fault("*", 500, failed, times=times))
    client = estate.start()
    for cloud in ("aws", "gcp", "azure"):
        launch(estate, client, ANY.replace("use_spot", f"infra: {cloud}, use_spot"))
        bought_at(estate, client, cloud)
        client.post("/v1/clusters/mine/down")
        until("nothing is left", lambda: estate.held() == [], lambda: str(estate.held()))
    assert all(count == 0 for count in left.values())
    assert all(fault.times == 0 for world in (estate.gcp, estate.azure) for fault in world.cloud.journal.faults)
    assert purchases(estate) >= 3
    assert len(estate.bought()) == 3, "each once"


@pytest.mark.timeout(240)
def test_a_minute_of_500s(estate: Estate, tmp_path: pathlib.Path) -> None:
    """The cheapest cloud answers nothing else from the purchase on: it is told what the launch waits for, and once the cloud answers nothing is left there."""
    spell_s = 60.0 if os.environ.get("TRADEWIND_SOAK") else 0.0
    struck: list[float] = []
    over = threading.Event()

    def weather(action: str) -> None:
        if not struck and action == "RunInstances":
            struck.append(time.monotonic())
        if struck and not over.is_set():
            raise Refusal(500, "InternalError", "An internal error has occurred")

    estate.aws.account.weather = weather
    client = estate.start()
    shell = Shell(estate, tmp_path)
    shell.types("launch", "task.yaml", "--catalog", estate.catalog, "-y", "-d")
    waiting = "aws to answer, so that nothing of it is left there: An internal error has occurred"
    until(
        "it says what it waits for",
        lambda: waiting in client.get("/v1/clusters/mine")["waiting_for"],
        estate.daemon.log,
    )
    until("the minute is over", lambda: time.monotonic() - struck[0] > spell_s)
    assert estate.live() == 0
    over.set()
    why = bought_at(estate, client, "gcp")
    assert "An internal error has occurred" in why["aws"]
    assert len(estate.bought()) == 1
    assert "nothing of it is left" in shell.types("down", "mine", "-y")
    assert estate.held() == []


def test_ctrl_c_in_every_phase_of_launch(estate: Estate, tmp_path: pathlib.Path) -> None:
    """While it is planned or asked nothing is bought; from then on it goes on, and `down` ends it, whatever it was about."""
    client = estate.start()
    pid = client.hello()["pid"]
    shell = Shell(estate, tmp_path)
    words = ("launch", "task.yaml", "--catalog", estate.catalog, "-c", "mine")
    asleep = at_the_first(estate, "aws", "GetServiceQuota", lambda: os.kill(pid, signal.SIGSTOP))
    planning = shell.starts(*words)  # it asks for quotas, and nobody answers
    assert asleep.wait(DEADLINE_S), estate.daemon.log()
    try:
        assert planning.interrupt() == (130, "interrupted; nothing was bought.")
    finally:
        os.kill(pid, signal.SIGCONT)
    asking = shell.starts(*words)
    asking.until("Buy ")
    assert asking.interrupt() == (130, "interrupted; nothing was bought.")
    assert client.get("/v1/clusters") == []
    assert purchases(estate) == 0
    handing_over = shell.starts(*words)
    handing_over.until("Buy ")
    os.kill(pid, signal.SIGSTOP)
    try:
        before = handing_over.connections()
        handing_over.answers("y")
        until("the launch is being handed over", lambda: handing_over.connections() - before)
        assert handing_over.interrupt() == (
            130,
            "interrupted while it was being launched; `tradewind status` shows whether it has begun, `tradewind down` ends it.",
        )
    finally:
        os.kill(pid, signal.SIGCONT)
    until("it has begun", lambda: [c["name"] for c in client.get("/v1/clusters")] == ["mine"], estate.daemon.log)
    assert "nothing of it is left" in shell.types("down", "mine", "-y")
    assert estate.held() == []
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
