"""The installed command line and a real daemon against a fake EC2 with real machines behind it: what a person with an account would see."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import pytest

from clouds.fakes.aws.machines import MachineRoom
from clouds.fakes.aws.world import AwsWorld
from clouds.lab.namespaces import open_lab

TRADEWIND = pathlib.Path(sys.executable).parent / "tradewind"
TASK = """name: hello
num_nodes: 2
resources:
  infra: aws/us-east-1
  cpus: 2+
  memory: 4+
  use_spot: true
run: |
  echo "rank $TRADEWIND_NODE_RANK of $TRADEWIND_NUM_NODES on $(hostname) as $(id -un)"
  cat greeting.txt
"""


class Person:
    """Somebody with AWS credentials, a data directory of their own, and the command line."""

    def __init__(self, home: pathlib.Path, endpoint: str) -> None:
        self.home = home
        data = home / "data"
        data.mkdir(parents=True)
        settings = f"aws:\n  endpoint_url: {endpoint}\n  regions: [us-east-1]\n  poll_interval_s: 0.05\n"
        (data / "clouds.yaml").write_text(settings)
        work = home / "work"
        work.mkdir()
        (work / "greeting.txt").write_text("good day from the work directory\n")
        (home / "task.yaml").write_text(TASK + f"workdir: {work}\n")
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "TRADEWIND_DATA_DIR": str(data),
            "XDG_CACHE_HOME": str(home / "cache"),
            "AWS_ACCESS_KEY_ID": "AKIATESTING",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def says(self, *arguments: str, exit_code: int = 0) -> str:
        """What the command prints."""
        done = subprocess.run(
            [str(TRADEWIND), *arguments],
            env=self.environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == exit_code, (
            f"{arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}\n{self.log()}"
        )
        return done.stdout + done.stderr

    def log(self) -> str:
        return "\n".join(path.read_text(errors="replace")[-3000:] for path in (self.home / "data").glob("*.log"))


@pytest.fixture
def room(world: AwsWorld, tmp_path: pathlib.Path) -> Iterator[MachineRoom]:
    with open_lab(tmp_path / "lab") as lab, MachineRoom(lab, world) as room:
        yield room


@pytest.mark.end_to_end
def test_check_launch_logs_down(room: MachineRoom, world: AwsWorld, tmp_path: pathlib.Path) -> None:
    person = Person(tmp_path / "person", world.endpoint)
    try:
        assert person.says("check", "aws").startswith("aws: works")
        said = person.says("launch", "-c", "mine", "-y", "task.yaml")
        for rank in range(2):
            assert f"rank {rank} of 2 on " in said
        assert said.count("as tradewind") == 2
        assert said.count("good day from the work directory") == 2
        assert world.live() == 2
        assert {m["InstanceMarketOptions.MarketType"] for m in world.account.launches} == {"spot"}
        assert "mine" in person.says("status")
        person.says("down", "mine", "-y")
        assert world.live() == 0
        assert world.held() == []
    finally:
        subprocess.run(
            [str(TRADEWIND), "api", "stop"],
            env=person.environment,
            cwd=person.home,
            capture_output=True,
            timeout=60,
            check=False,
        )


@pytest.mark.end_to_end
def test_a_zone_without_capacity_is_passed_over(room: MachineRoom, world: AwsWorld, tmp_path: pathlib.Path) -> None:
    person = Person(tmp_path / "person", world.endpoint)
    refused: list[str] = []

    def weather(action: str) -> None:
        from clouds.fakes.aws.rules import Refusal

        if action == "RunInstances" and len(refused) < 2:  # both nodes of the first place
            refused.append(action)
            raise Refusal(
                500,
                "InsufficientInstanceCapacity",
                "We currently do not have sufficient capacity in the zone you requested.",
            )

    world.account.weather = weather
    try:
        said = person.says("launch", "-c", "mine", "-y", "task.yaml")
        assert said.count("good day from the work directory") == 2
        assert "sufficient capacity" in person.says("events", "mine")
        person.says("down", "mine", "-y")
        assert world.held() == []
    finally:
        subprocess.run(
            [str(TRADEWIND), "api", "stop"],
            env=person.environment,
            cwd=person.home,
            capture_output=True,
            timeout=60,
            check=False,
        )
