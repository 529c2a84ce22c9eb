"""A cluster on each cloud in a person's hands: every command of the quickstart, against the fakes with real machines behind them."""

from __future__ import annotations

import json
import pathlib
import shutil
import socket
import subprocess
from collections.abc import Iterator

import pytest

from clouds.estate import Estate, open_estate
from clouds.lab.doors import IPTABLES, listening
from clouds.lab.namespaces import Lab, open_lab
from clouds.shell import Shell, purchases
from tests.broker.real import until

TASK = """
name: hello
workdir: .
resources: {{infra: {cloud}}}
setup: echo the setup | tee -a ~/setups
run: echo "I am rank $TRADEWIND_NODE_RANK of $SKYPILOT_NUM_NODES"; cat greeting.txt; ls
"""
AGAIN = "resources: {cpus: 1+}\nrun: echo once more in $(pwd); wc -l <~/setups\n"
PORT = 8080


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with open_lab(tmp_path_factory.mktemp("lab") / "lab") as lab:
        yield lab


@pytest.fixture
def estate(lab: Lab, tmp_path: pathlib.Path) -> Iterator[Estate]:
    with open_estate(tmp_path, lab) as estate:
        yield estate


@pytest.mark.timeout(180)
@pytest.mark.parametrize("cloud", ["aws", "gcp", "azure"])
def test_the_quickstart(estate: Estate, tmp_path: pathlib.Path, cloud: str) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "task.yaml").write_text(TASK.format(cloud=cloud))
    (work / "again.yaml").write_text(AGAIN)
    (work / "greeting.txt").write_text("hello, world\n")
    (work / "secret.txt").write_text("stays here\n")
    (work / ".skyignore").write_text("secret.txt\n")
    person = Shell(estate, work)
    estate.start()
    assert f"{cloud}: " in person.types("check")
    out = person.types("launch", "task.yaml", "-c", "mine", "--catalog", estate.catalog, "-y")
    assert "I am rank 0 of 1" in out
    assert "hello, world" in out
    assert "secret.txt" not in out
    assert "UP" in person.types("status", "-r")
    again = person.types("exec", "mine", "again.yaml")
    assert "once more in /home/tradewind/workdir\n1\n" in again  # without its set-up
    bought = purchases(estate)
    assert "the setup" in person.types("launch", "task.yaml", "-c", "mine", "--catalog", estate.catalog, "-y")
    assert purchases(estate) == bought  # the cluster that is up is used
    assert "I am rank 0" in person.types("logs", "mine", "1")
    reach(estate, person, cloud)
    assert person.types("reap", "--dry-run") == "Nothing is left over.\n"
    if cloud == "gcp":  # by itself, once it is idle
        person.types("autostop", "mine", "--idle-minutes", "0", "--wait-for", "jobs")
        until("it has stopped", lambda: "STOPPED" in person.types("status"), estate.daemon.log)
        person.types("autostop", "mine", "--cancel")
    else:
        person.types("autostop", "mine", "--idle-minutes", "60")
        assert "stopped" in person.types("stop", "mine", "-y")
    assert "STOPPED" in person.types("status")
    assert not any(machine.alive() for machine in estate.rooms[cloud].machines.values())
    assert "up" in person.types("start", "mine")
    assert "once more in /home/tradewind/workdir\n2\n" in person.types("exec", "mine", "again.yaml")  # on the same disk
    assert plain_ssh(estate, "cat", "setups").count("the setup") == 2  # by the name it had, wherever it is now
    costs = json.loads(person.types("cost-report", "--json"))
    assert costs[0]["cluster"] == "mine"
    assert costs[0]["usd"] > 0
    assert "nothing of it is left" in person.types("down", "mine", "-y")
    assert estate.held() == []


def plain_ssh(estate: Estate, *command: str) -> str:
    """What the command prints on the cluster called mine, by the person's own OpenSSH."""
    config = pathlib.Path(estate.environment()["HOME"], ".ssh", "config")
    argv = ["ssh", "-F", str(config), "mine", *command]
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True).stdout


def reach(estate: Estate, person: Shell, cloud: str) -> None:
    """Log in by name in both ways, copy there and back, and open a port to the world."""
    assert person.types("ssh", "mine", "id", "-un") == "tradewind\n"
    person.types("ssh", "--include", "mine")
    assert plain_ssh(estate, "id", "-un") == "tradewind\n"
    if shutil.which("rsync"):
        person.types("rsync", "greeting.txt", "mine:sent.txt")
        assert plain_ssh(estate, "cat", "sent.txt") == "hello, world\n"
        person.types("rsync", "mine:sent.txt", "back.txt")
        assert (person.directory / "back.txt").read_text() == "hello, world\n"
    machine = estate.machine(cloud)
    with machine.inside(lambda: socket.create_server(("0.0.0.0", PORT))):  # in the lab's own network
        assert PORT in listening(machine)
        assert not is_open(machine.addresses[-1]) or not IPTABLES
        person.types("ports", "mine", str(PORT))
        until("the world reaches it", lambda: is_open(machine.addresses[-1]), estate.daemon.log)


def is_open(address: str) -> bool:
    """Whether somebody outside reaches the port."""
    try:
        socket.create_connection((address, PORT), timeout=0.5).close()
    except OSError:
        return False
    return True


TAKEN = {
    "aws": "AWS took the instance back",
    "gcp": "Compute Engine preempted it at",
    "azure": "azure does not list this spot instance any more, as when it takes one back",
}


@pytest.mark.timeout(150)
def test_what_vanished_is_said_to_be_preempted(estate: Estate, tmp_path: pathlib.Path) -> None:
    client = estate.start()
    person = Shell(estate, tmp_path)
    for cloud in TAKEN:
        (tmp_path / "task.yaml").write_text(f"resources: {{infra: {cloud}, use_spot: true}}\nrun: sleep 600\n")
        person.types("launch", "task.yaml", "-c", f"on-{cloud}", "--catalog", estate.catalog, "-y", "-d")
    for cloud in TAKEN:
        until("it is up", lambda c=cloud: client.get(f"/v1/clusters/on-{c}")["state"] == "UP", estate.daemon.log)
    for cloud in TAKEN:
        estate.take(cloud)
    assert person.types("status", "-r").count("PREEMPTED") == 3
    for cloud, reason in TAKEN.items():
        assert reason in client.get(f"/v1/clusters/on-{cloud}")["why"]
        assert reason in person.types("events", f"on-{cloud}")
        person.types("down", f"on-{cloud}", "-y")
