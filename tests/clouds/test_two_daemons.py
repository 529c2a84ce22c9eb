"""Two daemons over one data directory: one refuses while the other lives, and one that slept through its successor's start buys and ends nothing."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import threading
from collections.abc import Iterator

import pytest

from clouds.estate import Estate, open_estate
from clouds.moments import at_the_first
from tests.broker.nursery import Nursery
from tests.broker.real import DEADLINE_S, RealDaemon, task, until
from tradewind.broker.server.client import EXIT_BUSY, DaemonUnreachable

# By cloud: a call of a launch that comes before the purchase, and the purchase.
MOMENTS = {
    "aws": ("CreateSecurityGroup", "ec2:RunInstances"),
    "gcp": ("compute.firewalls.insert", "compute.instances.insert"),
    "azure": ("Microsoft.Resources/subscriptions/resourceGroups/write", "Microsoft.Compute/virtualMachines/write"),
}


@pytest.fixture
def estate(tmp_path: pathlib.Path, nursery: Nursery) -> Iterator[Estate]:
    with open_estate(tmp_path, None, nursery) as estate:
        yield estate


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
        refused = estate.daemon.rival(**estate.environment())
        assert refused.returncode == EXIT_BUSY
        assert "another daemon holds this data directory" in refused.stderr
        # A lock goes when a person removes its file, or with the disk of a machine that was put to sleep and started elsewhere.
        os.unlink(os.path.join(estate.data_dir, "daemon.lock"))
        estate.daemon = RealDaemon(estate.data_dir)
        estate.spawn()
        heir = estate.daemon.takes_over(2)
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
    assert estate.daemon.rival(**estate.environment()).returncode == EXIT_BUSY
    assert client.hello()["pid"], "the first lives on"
    estate.daemon.kill()
    assert estate.start().get("/v1/clusters") == []
    assert ["token 1" in line for line in estate.daemon.log().splitlines() if ", token " in line] == [True, False]
