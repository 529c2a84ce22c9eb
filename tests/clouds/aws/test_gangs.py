"""Several nodes on a fake EC2 with real machines behind it: joined into one, shut to strangers, all there or none."""

from __future__ import annotations

import json
import pathlib
import subprocess
from collections.abc import Iterator

import pytest

from clouds.fakes.aws import rules
from clouds.fakes.aws.machines import MachineRoom
from clouds.fakes.aws.world import AwsWorld
from clouds.lab.doors import IPTABLES, listening
from clouds.lab.namespaces import open_lab
from clouds.lab.strangers import only_peers_reach
from clouds.person import TRADEWIND, Person
from tests.broker.real import until

RESOURCES = "resources: {infra: aws/us-east-1, cpus: 2+, memory: 4+, use_spot: true}\n"
TASK = f"""name: gang
num_nodes: 2
{RESOURCES}
run: |
  cat greeting.txt
  for name in NODE_RANK NUM_NODES NODE_IPS NUM_GPUS_PER_NODE; do
    ours=TRADEWIND_$name theirs=SKYPILOT_$name
    echo "$name=$(echo ${{!ours}})=$(echo ${{!theirs}})"
  done
  if [ "$TRADEWIND_NODE_RANK" = 0 ]; then python span.py; fi
"""
SPAN = """
import socket
from tradewind import runtime as ray
from tradewind.runtime.util.scheduling_strategies import NodeAffinitySchedulingStrategy as At
ray.init()

@ray.remote
def where():
    return socket.gethostname()

nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
there = [where.options(scheduling_strategy=At(node, soft=False)).remote() for node in nodes]
print("tasks ran on", *sorted(ray.get(there)))
"""
SMALL = f"name: small\nnum_nodes: 2\n{RESOURCES}run: echo rank $TRADEWIND_NODE_RANK stands\n"


@pytest.fixture
def room(world: AwsWorld, tmp_path: pathlib.Path) -> Iterator[MachineRoom]:
    with open_lab(tmp_path / "lab") as lab, MachineRoom(lab, world) as room:
        yield room


@pytest.fixture
def person(world: AwsWorld, tmp_path: pathlib.Path) -> Iterator[Person]:
    settings = f"aws:\n  endpoint_url: {world.endpoint}\n  regions: [us-east-1]\n  poll_interval_s: 0.05\n"
    keys = {"AWS_ACCESS_KEY_ID": "AKIATESTING", "AWS_SECRET_ACCESS_KEY": "testing", "TRADEWIND_GANG_HOLD_S": "3"}
    with Person(tmp_path / "person", settings=settings, task=TASK, **keys) as person:
        (person.home / "work" / "span.py").write_text(SPAN)
        yield person


def running() -> list:
    return [i for i in rules.all_instances("us-east-1") if i._state.name == "running"]


@pytest.mark.end_to_end
@pytest.mark.skipif(not IPTABLES, reason="no iptables here: apt-get install iptables")
def test_two_nodes_are_one_cluster_and_nobody_elses(room: MachineRoom, world: AwsWorld, person: Person) -> None:
    assert person.says("check", "aws").startswith("aws: works")
    said = person.says("launch", "-c", "mine", "-y", "task.yaml")
    assert said.count("good day from the work directory") == 2
    assert {m["InstanceMarketOptions.MarketType"] for m in world.account.launches} == {"spot"}
    assert len({i._placement.zone for i in running()}) == 1
    assert len(running()) == 2
    hosts = {i.private_ip: room.machines[i.id] for i in running()}
    for number in range(2):
        assert f"rank={number}) NODE_RANK={number}={number}" in said
        assert f"rank={number}) NUM_NODES=2=2" in said
        assert f"rank={number}) NUM_GPUS_PER_NODE=0=0" in said
    (ips,) = {line.partition("NODE_IPS=")[2] for line in said.splitlines() if "NODE_IPS=" in line}
    ours, theirs = ips.split("=")
    assert ours == theirs
    assert set(ours.split()) == set(hosts)
    head, other = (hosts[address] for address in ours.split())  # in the order of their ranks
    assert f"tasks ran on {' '.join(sorted((head.name, other.name)))}" in said, said
    ports = listening(head) - {22}
    assert ports, "the runtime's head listens for its nodes"
    only_peers_reach(head, other, ports, cloud="aws")
    person.says("down", "mine", "-y")
    assert world.held() == []


@pytest.mark.end_to_end
def test_a_part_of_a_gang_is_kept_until_the_rest_has_room_in_its_zone(
    room: MachineRoom, world: AwsWorld, person: Person
) -> None:
    (person.home / "task.yaml").write_text(SMALL)
    person.environment["TRADEWIND_GANG_HOLD_S"] = "30"  # long enough to be looked at on a slow machine
    full: dict[str, str] = {}

    def weather(action: str) -> None:
        """The first zone that sells a machine has one, and a second only once the first has been kept for a while."""
        if action == "RunInstances" and running() and not full:
            full["zone"] = running()[0]._placement.zone
            world.account.capacity[full["zone"], running()[0].instance_type, True] = 1

    world.account.weather = weather
    launching = start(person, "launch", "-c", "mine", "-y", "task.yaml")
    until("a part is kept", lambda: "kept for up to 30 s" in person.says("status", "--json"), person.log)
    (kept,) = running()
    world.account.capacity.clear()
    said, _ = launching.communicate(timeout=60)
    assert launching.returncode == 0, said
    assert "rank 0 stands" in said
    assert "rank 1 stands" in said
    assert {i._placement.zone for i in running()} == {full["zone"]}
    assert kept.id in {i.id for i in running()}
    person.says("down", "mine", "-y")
    assert world.held() == []


@pytest.mark.end_to_end
def test_a_part_of_a_gang_is_released_when_the_time_is_over(room: MachineRoom, world: AwsWorld, person: Person) -> None:
    (person.home / "task.yaml").write_text(SMALL)
    full: list[str] = []

    def weather(action: str) -> None:
        if action == "RunInstances" and running() and not full:
            full.append(running()[0]._placement.zone)
            world.account.capacity[full[0], running()[0].instance_type, True] = 1

    world.account.weather = weather
    said = person.says("launch", "-c", "mine", "-y", "task.yaml")
    assert "rank 1 stands" in said
    (zone,) = {i._placement.zone for i in running()}
    assert zone != full[0]
    assert len(running()) == 2
    ended = [e for e in json.loads(person.says("events", "mine", "--json")) if e["kind"] == "ended"]
    assert any(e["data"]["reason"] == "the gang was incomplete" for e in ended)
    person.says("down", "mine", "-y")
    assert world.held() == []


def start(person: Person, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(TRADEWIND), *arguments],
        env=person.environment,
        cwd=person.home,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
