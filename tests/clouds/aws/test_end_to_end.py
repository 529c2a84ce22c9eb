"""The installed command line and a real daemon against a fake EC2 with real machines behind it: what a person with an account would see."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from clouds.fakes.aws.machines import MachineRoom
from clouds.fakes.aws.rules import Refusal
from clouds.fakes.aws.world import AwsWorld
from clouds.lab.namespaces import open_lab
from clouds.person import Person

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


@pytest.fixture
def room(world: AwsWorld, tmp_path: pathlib.Path) -> Iterator[MachineRoom]:
    with open_lab(tmp_path / "lab") as lab, MachineRoom(lab, world) as room:
        yield room


@pytest.fixture
def person(world: AwsWorld, tmp_path: pathlib.Path) -> Iterator[Person]:
    settings = f"aws:\n  endpoint_url: {world.endpoint}\n  regions: [us-east-1]\n  poll_interval_s: 0.05\n"
    keys = {"AWS_ACCESS_KEY_ID": "AKIATESTING", "AWS_SECRET_ACCESS_KEY": "testing"}
    with Person(tmp_path / "person", settings=settings, task=TASK, **keys) as person:
        yield person


@pytest.mark.end_to_end
def test_a_place_without_capacity_is_passed_over(room: MachineRoom, world: AwsWorld, person: Person) -> None:
    refused: list[str] = []

    def weather(action: str) -> None:
        if action == "RunInstances" and len(refused) < 2:  # both nodes of the first place
            refused.append(action)
            raise Refusal(
                500,
                "InsufficientInstanceCapacity",
                "We currently do not have sufficient capacity in the zone you requested.",
            )

    world.account.weather = weather
    said = person.says("launch", "-c", "mine", "-y", "task.yaml")
    assert said.count("good day from the work directory") == 2
    assert "sufficient capacity" in person.says("events", "mine")
    person.says("down", "mine", "-y")
    assert world.held() == []
