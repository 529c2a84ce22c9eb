"""Two daemons over machines of one's own: the one that slept through its successor's start lends none and takes none away."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import threading
from collections.abc import Iterator

import pytest

from clouds.lab.namespaces import SSHD_CONFIG, Lab, open_lab
from clouds.ssh.desks import USER, Desks, open_desks
from tests.broker.real import RealDaemon, task, until
from tradewind.broker.server.client import EXIT_BUSY, DaemonUnreachable

# While its door is closed a machine carries out no order; it notes that one has come.
GATE = f"""#!/bin/sh
while [ -e /home/{USER}/closed ]; do touch /home/{USER}/knocked; sleep 0.02; done
exec sh -c "$SSH_ORIGINAL_COMMAND"
"""
IMAGE = {
    "/usr/local/bin/gate": (GATE, 0o755),
    "/etc/ssh/lab_sshd_config": (SSHD_CONFIG + "ForceCommand /usr/local/bin/gate\n", 0o644),
}
TASK = "resources: {infra: ssh/desks}\nrun: echo hi\n"


@pytest.fixture
def lab(tmp_path: pathlib.Path) -> Iterator[Lab]:
    with open_lab(tmp_path / "lab") as lab:
        yield lab


@pytest.fixture
def desks(lab: Lab, tmp_path: pathlib.Path) -> Iterator[Desks]:
    with open_desks(tmp_path, lab, count=1, image=IMAGE) as desks:
        yield desks


def at_doors(desks: Desks, name: str) -> list[pathlib.Path]:
    return [desks.below(host).parent / name for host in desks.hosts]


@pytest.mark.timeout(120)
def test_a_daemon_that_slept_while_another_took_over_takes_no_machine(desks: Desks) -> None:
    client = desks.start()
    pid = client.hello()["pid"]
    body = {"task": task(TASK), "accepted_hourly_usd": 1.0, "cluster": "mine"}
    client.post(
        "/v1/plan", {"task": body["task"]}
    )  # from here on it knows what the machine has, and has a connection to it
    for door in at_doors(desks, "closed"):
        door.touch()

    def launch() -> None:
        with contextlib.suppress(DaemonUnreachable):  # it leaves before it answers, or after
            client.post("/v1/launch", body)

    asking = threading.Thread(target=launch)
    asking.start()
    first = desks.daemon
    try:
        until("it asks who has it", lambda: all(k.exists() for k in at_doors(desks, "knocked")), first.log)
        os.kill(pid, signal.SIGSTOP)
        for door in at_doors(desks, "closed"):
            door.unlink()
        refused = first.rival(**desks.environment())
        assert refused.returncode == EXIT_BUSY
        assert "another daemon holds this data directory" in refused.stderr
        os.unlink(
            os.path.join(desks.data_dir, "daemon.lock")
        )  # as a person may, or the disk of a machine that is moved
        desks.daemon = RealDaemon(desks.data_dir)
        desks.spawn()
        heir = desks.daemon.takes_over(2)
        until("the other one takes it", lambda: desks.live() == 1, desks.daemon.log)
        assert heir.post("/v1/clusters/mine/down")["state"] == "TERMINATED"
        assert desks.held() == []
    finally:
        os.kill(pid, signal.SIGCONT)
    assert first.wait_dead() == EXIT_BUSY, first.log()
    asking.join()
    assert "daemon 1 was superseded by daemon 2; this one leaves" in first.log()
    assert desks.held() == [], "with the token it had it would have taken one that nobody gives back"
