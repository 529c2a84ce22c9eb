"""Two daemons over one data directory: one refuses while the other lives, and one that slept through its successor's start buys and ends nothing."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from clouds.estate import Estate, open_estate
from clouds.fakes.aws.world import AwsWorld
from tests.broker.real import DEADLINE_S, RealDaemon, task, until
from tradewind.broker.server.client import EXIT_BUSY, DaemonClient, DaemonUnreachable

# By cloud: a call of a launch that comes before the purchase, and the purchase.
MOMENTS = {
    "aws": ("CreateSecurityGroup", "ec2:RunInstances"),
    "gcp": ("compute.firewalls.insert", "compute.instances.insert"),
    "azure": ("Microsoft.Resources/subscriptions/resourceGroups/write", "Microsoft.Compute/virtualMachines/write"),
}


@pytest.fixture
def estate(tmp_path: pathlib.Path) -> Iterator[Estate]:
    with open_estate(tmp_path, None) as estate:
        yield estate


def at_the_first(estate: Estate, cloud: str, call: str, act: object) -> threading.Event:
    """Whether `act` has been called: once, when that call reaches the cloud."""
    happened = threading.Event()

    def see(name: str) -> None:
        if name == call and not happened.is_set():
            act()  # type: ignore[operator]
            happened.set()

    world = getattr(estate, cloud)
    if isinstance(world, AwsWorld):
        world.account.weather = see
    else:
        world.cloud.journal.on_call = see
    return happened


def second(estate: Estate) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "tradewind.broker.server", "--data-dir", estate.data_dir]
    environment = {**os.environ, **estate.environment()}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=DEADLINE_S, check=False)


@pytest.mark.parametrize("cloud", sorted(MOMENTS))
def test_a_daemon_that_slept_while_another_took_over_buys_nothing(estate: Estate, cloud: str) -> None:
    before, purchase = MOMENTS[cloud]
    client = estate.start()
    pid = client.hello()["pid"]
    asleep = at_the_first(estate, cloud, before, lambda: os.kill(pid, signal.SIGSTOP))
    text = f"resources: {{infra: {cloud}, use_spot: true}}\nrun: echo hi\n"
    body = {"task": task(text), "accepted_hourly_usd": 1.0, "catalog": estate.catalog, "cluster": "mine"}

    def launch() -> None:
        with contextlib.suppress(DaemonUnreachable):  # it may fall asleep before it answers
            client.post("/v1/launch", body)

    asking = threading.Thread(target=launch)
    asking.start()
    first = estate.daemon
    try:
        assert asleep.wait(DEADLINE_S), first.log()
        refused = second(estate)
        assert refused.returncode == EXIT_BUSY
        assert "another daemon holds this data directory" in refused.stderr
        # A lock goes when a person removes its file, or with the disk of a machine that was put to sleep and started elsewhere.
        os.unlink(os.path.join(estate.data_dir, "daemon.lock"))
        estate.daemon = RealDaemon(estate.data_dir)
        estate.spawn()
        # Before it listens in the other one's place, a question would go to that one, which says nothing.
        until("it serves", lambda: "token 2" in estate.daemon.log(), estate.daemon.log)
        heir = DaemonClient.connect(estate.data_dir, start=False)
        until("the other one buys", lambda: estate.live() == 1, estate.daemon.log)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert first.wait_dead() == EXIT_BUSY, first.log()
    asking.join()
    assert "daemon 1 was superseded by daemon 2; this one leaves" in first.log()
    assert getattr(estate, cloud).calls().count(purchase) == 1, "the one that slept has not even asked"
    assert estate.live() == 1
    assert heir.get("/v1/clusters/mine")["state"] in {"PROVISIONING", "BOOTSTRAPPING"}, "its socket is left alone"
    heir.post("/v1/clusters/mine/purge")  # its machine cannot be reached here
    heir.post("/v1/reap", {"dry_run": False})
    assert estate.held() == []


def test_once_the_first_is_gone_the_next_takes_over_with_another_token(estate: Estate) -> None:
    client = estate.start()
    assert second(estate).returncode == EXIT_BUSY
    assert client.hello()["pid"], "the first lives on"
    estate.daemon.kill()
    assert estate.start().get("/v1/clusters") == []
    assert ["token 1" in line for line in estate.daemon.log().splitlines() if ", token " in line] == [True, False]
