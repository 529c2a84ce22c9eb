"""A cluster on each cloud in a person's hands: every command of the quickstart, against the fakes with real machines behind them."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import pytest

from clouds.estate import Estate, open_estate
from clouds.lab.namespaces import Lab, open_lab
from tests.broker.real import until

TASK = """
name: hello
workdir: .
resources: {{infra: {cloud}}}
setup: echo the setup
run: echo "I am rank $TRADEWIND_NODE_RANK of $SKYPILOT_NUM_NODES"; cat greeting.txt; ls
"""
AGAIN = "resources: {cpus: 1+}\nrun: echo once more in $(pwd)\n"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with open_lab(tmp_path_factory.mktemp("lab") / "lab") as lab:
        yield lab


class Person:
    """Somebody at a shell."""

    def __init__(self, estate: Estate, directory: pathlib.Path) -> None:
        self.directory = directory
        self.environment = {**os.environ, **estate.environment(), "TRADEWIND_DATA_DIR": estate.data_dir}

    def types(self, *words: str, ok: bool = True) -> str:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "tradewind.cli", *words],
            cwd=self.directory, env=self.environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, timeout=40,
        )  # fmt: skip
        assert (done.returncode == 0) == ok, (
            f"tradewind {' '.join(words)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
        return done.stdout + done.stderr


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
    person = Person(estate, work)
    estate.start()
    assert f"{cloud}: " in person.types("check")
    out = person.types("launch", "task.yaml", "-c", "mine", "--catalog", estate.catalog, "-y")
    assert "I am rank 0 of 1" in out
    assert "hello, world" in out
    assert "secret.txt" not in out
    assert "UP" in person.types("status", "-r")
    assert "once more in /home/tradewind/workdir" in person.types("exec", "mine", "again.yaml")
    assert "I am rank 0" in person.types("logs", "mine", "1")
    assert person.types("ssh", "mine", "id", "-un") == "tradewind\n"
    assert person.types("reap", "--dry-run") == "Nothing is left over.\n"
    person.types("autostop", "mine", "--idle-minutes", "60")
    assert "stopped" in person.types("stop", "mine", "-y")
    assert "STOPPED" in person.types("status")
    assert "up" in person.types("start", "mine")
    assert "once more" in person.types("exec", "mine", "again.yaml")
    costs = json.loads(person.types("cost-report", "--json"))
    assert costs[0]["cluster"] == "mine"
    assert costs[0]["usd"] > 0
    assert "nothing of it is left" in person.types("down", "mine", "-y")
    assert estate.held() == []


@pytest.mark.timeout(120)
def test_what_vanished_is_said_to_be_preempted(estate: Estate, tmp_path: pathlib.Path) -> None:
    client = estate.start()
    person = Person(estate, tmp_path)
    (tmp_path / "task.yaml").write_text("resources: {infra: gcp, use_spot: true}\nrun: sleep 600\n")
    person.types("launch", "task.yaml", "-c", "mine", "--catalog", estate.catalog, "-y", "-d")
    until("it is up", lambda: client.get("/v1/clusters/mine")["state"] == "UP", estate.daemon.log)
    for name in estate.gcp.cloud.compute.live():
        estate.gcp.cloud.compute.reclaim(name)
    told = person.types("status", "-r")
    assert "PREEMPTED" in told
    assert "Compute Engine preempted it at" in client.get("/v1/clusters/mine")["why"]
    person.types("down", "mine", "-y")
