"""Two machines of one's own, whose broker's daemon is SIGKILLed at each of ten steps of their cluster's life, each time by the next one.

After each death, while nobody runs, no machine is lent to what the record does not know; in the end two were lent once, and both are as before.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator

import pytest

from clouds.lab.namespaces import Lab, open_lab
from clouds.mortals import Mortals
from clouds.ssh.desks import Desks, open_desks
from tests.broker.nursery import Nursery
from tests.broker.real import task

TASK = "num_nodes: 2\nresources: {infra: ssh/desks}\nrun: echo it ran on $TRADEWIND_NODE_RANK\n"
LAUNCH = (
    "intent:committed:1",
    "launch:after:1",
    "launch:after:2",
    "bootstrap:connect:1",
    "bootstrap:configured:1",
    "bootstrap:nodes:1",
    "job:before-start:1",
)
END = ("release:agent-told:1", "release:terminated:1", "release:recorded:1")


@pytest.fixture
def lab(tmp_path: pathlib.Path) -> Iterator[Lab]:
    with open_lab(tmp_path / "lab") as lab:
        yield lab


@pytest.fixture
def desks(lab: Lab, tmp_path: pathlib.Path) -> Iterator[Desks]:
    with Nursery(("asyncssh",)) as nursery, open_desks(tmp_path, lab, nursery) as desks:
        yield desks


@pytest.mark.timeout(300)
def test_two_machines_are_lent_used_and_given_back_over_the_bodies_of_daemons(desks: Desks) -> None:
    mortals = Mortals(desks)
    body = {"task": task(TASK), "cluster": "mine", "accepted_hourly_usd": 1.0}
    mortals.die(LAUNCH, lambda client: client.post("/v1/launch", body))
    mortals.its_job_ran_once("it ran on 0", "it ran on 1")
    desks.daemon.kill()
    mortals.die(END, lambda client: client.post("/v1/clusters/mine/down"))
    client = mortals.survivor("TERMINATED")
    assert len(desks.bought()) == 2, json.dumps(client.get("/v1/events"), indent=1)
    assert desks.held() == []
