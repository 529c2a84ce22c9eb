"""Clusters in a person's hands: what is done with one that is up, and what is said of those that vanish, against the fakes with real machines behind them."""

from __future__ import annotations

import json
import pathlib
import re
import shutil
import subprocess

import pytest
from msgspec.structs import replace

from clouds.estate import OFFERS, Estate
from clouds.lab.strangers import opened_to_the_world
from clouds.shell import Shell, purchases
from tests.broker.real import until

TASK = """
name: hello
workdir: .
resources: {infra: gcp}
setup: echo the setup | tee -a ~/setups
run: echo "I am rank $TRADEWIND_NODE_RANK of $SKYPILOT_NUM_NODES"; cat greeting.txt; ls
"""
AGAIN = "resources: {cpus: 1+}\nrun: echo once more in $(pwd); wc -l <~/setups\n"
PORT = 8080


@pytest.mark.timeout(180)
def test_a_cluster_in_a_persons_hands(estate: Estate, tmp_path: pathlib.Path) -> None:
    """On one cloud; what is each cloud's own is shown where its page is walked."""
    work = tmp_path / "work"
    work.mkdir()
    (work / "task.yaml").write_text(TASK)
    (work / "again.yaml").write_text(AGAIN)
    (work / "greeting.txt").write_text("hello, world\n")
    (work / "secret.txt").write_text("stays here\n")
    (work / ".skyignore").write_text("secret.txt\n")
    person = Shell(estate, work)
    estate.start()
    assert "gcp: " in person.types("check")
    out = person.types("launch", "task.yaml", "-c", "mine", "--catalog", estate.catalog, "-y")
    assert "I am rank 0 of 1" in out
    assert "hello, world" in out
    assert "secret.txt" not in out
    assert "UP" in person.types("status", "-r")
    again = person.types("exec", "mine", "again.yaml")
    assert "once more in /home/tradewind/workdir\n1\n" in again  # without its set-up
    bought, (price,) = purchases(estate), prices(person)
    estate.write_catalog(tuple(replace(offer, price_ondemand_usd_h=9.0) for offer in OFFERS))
    assert "the setup" in person.types("launch", "task.yaml", "-c", "mine", "--catalog", estate.catalog, "-y")
    assert purchases(estate) == bought  # the cluster that is up is used
    assert "I am rank 0" in person.types("logs", "mine", "1")
    reach(estate, person)
    assert person.types("reap", "--dry-run") == "Nothing is left over.\n"
    person.types("autostop", "mine", "--idle-minutes", "10")
    assert "mine: stops after 10 idle minutes" in person.types("status")
    person.types("autostop", "mine", "--idle-minutes", "0", "--wait-for", "jobs")
    until("it has stopped", lambda: "STOPPED" in person.types("status"), estate.daemon.log)
    person.types("autostop", "mine", "--cancel")
    assert "`tradewind start mine` brings it back" in person.types("exec", "mine", "again.yaml", exit_code=1)
    assert "`tradewind start mine` brings it back" in person.types("ssh", "mine", "true", exit_code=1)
    machines = estate.rooms["gcp"].machines
    until("it is switched off", lambda: not any(one.alive() for one in machines.values()), estate.daemon.log)
    assert "up" in person.types("start", "mine")
    assert "once more in /home/tradewind/workdir\n2\n" in person.types("exec", "mine", "again.yaml")  # on the same disk
    person.types("stop", "mine", "-y")
    started = person.types(
        "launch", "again.yaml", "-c", "mine", "--catalog", estate.catalog, "-y"
    )  # a stopped one is started
    assert "once more in /home/tradewind/workdir\n2\n" in started
    assert purchases(estate) == bought
    assert plain_ssh(estate, "cat", "setups").count("the setup") == 2  # by the name it had, wherever it is now
    costs = json.loads(person.types("cost-report", "--json"))
    assert costs[0]["cluster"] == "mine"
    assert costs[0]["usd"] == pytest.approx(costs[0]["seconds"] / 3600 * price), "at the price frozen at launch"
    assert "nothing of it is left" in person.types("down", "mine", "-y")
    assert estate.held() == []


def prices(person: Shell) -> list[float]:
    """What each machine of the person's costs, in USD/hour."""
    listed = json.loads(person.types("status", "--json"))["clusters"]
    return [one["price_usd_h"] for cluster in listed for one in cluster["instances"]]


def plain_ssh(estate: Estate, *command: str) -> str:
    """What the command prints on the cluster called mine, by the person's own OpenSSH."""
    config = pathlib.Path(estate.environment()["HOME"], ".ssh", "config")
    argv = ["ssh", "-F", str(config), "mine", *command]
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True).stdout


def reach(estate: Estate, person: Shell) -> None:
    """Log in by name in both ways, copy there and back, and open a port to the world."""
    assert person.types("ssh", "mine", "id", "-un") == "tradewind\n"
    person.types("ssh", "--include", "mine")
    assert plain_ssh(estate, "id", "-un") == "tradewind\n"
    if shutil.which("rsync"):
        person.types("rsync", "greeting.txt", "mine:sent.txt")
        assert plain_ssh(estate, "cat", "sent.txt") == "hello, world\n"
        person.types("rsync", "mine:sent.txt", "back.txt")
        assert (person.directory / "back.txt").read_text() == "hello, world\n"
    opened_to_the_world(estate.machine("gcp"), PORT, lambda: person.types("ports", "mine", str(PORT)))


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
    said = person.types("status", "-r")
    assert said.count("PREEMPTED") == 3
    for cloud, reason in TAKEN.items():
        assert re.search(rf"on-{cloud}: preempted at \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d: .*{reason}", said), said
        assert reason in client.get(f"/v1/clusters/on-{cloud}")["why"]
        assert reason in person.types("events", f"on-{cloud}")
        person.types("down", f"on-{cloud}", "-y")
