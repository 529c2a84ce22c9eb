"""Whatever is made carries its owner's tags from its creation and has its intent in the record before; what no record owns is found and removed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import pathlib
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

from clouds.azure.world import AzureWorld, azure_world
from clouds.conformance import run
from clouds.estate import Estate, open_estate
from clouds.fakes.aws import rules
from clouds.fakes.aws.world import AwsWorld, fake_aws
from clouds.gcp.world import GcpWorld, gcp_world
from clouds.launching import OWNER
from clouds.shell import Shell
from tests.broker.nursery import Nursery
from tests.broker.real import task, until
from tradewind.broker.clouds.gcp import naming

TAGS = {"tradewind-owner": OWNER, "tradewind-cluster": "c1"}
PURCHASES = {
    "aws": "RunInstances",
    "gcp": "compute.instances.insert",
    "azure": "Microsoft.Compute/virtualMachines/write",
}
WITH_A_MACHINE = (
    "virtualMachines/extensions",
    "roleAssignments",
)  # these have no tags at Azure, and end with what they belong to


async def gang(world: Any) -> None:
    """Two machines at once, as for a cluster of two."""
    provider = world.provider()
    made = await asyncio.gather(
        *(provider.launch(world.request(f"i-{rank}", rank=rank, use_spot=True), f"t{rank}") for rank in range(2))
    )
    for instance in made:
        assert TAGS.items() <= dict(instance.tags).items()


async def end(world: Any) -> None:
    provider = world.provider()
    for instance in await provider.describe(TAGS):
        await provider.terminate(instance.provider_id)
    await provider.sweep(TAGS)


def test_aws_makes_nothing_without_its_tags() -> None:
    """All that stands there carries them, and no call but those that made it could have given them."""
    with fake_aws() as world:
        run(gang(world))
        backend = rules.backend("us-east-1")
        groups = [g for groups in backend.groups.values() for g in groups.values() if g.name != "default"]
        made = [*rules.all_instances("us-east-1"), *backend.volumes.values(), *groups]
        assert len(made) == 5
        for one in made:
            assert TAGS.items() <= {tag["key"]: tag["value"] for tag in one.get_tags()}.items(), one
        assert "ec2:CreateTags" not in world.calls()
        for form in world.account.launches:
            kinds = {value for name, value in form.items() if name.endswith(".ResourceType")}
            assert kinds == {"instance", "volume", "network-interface", "spot-instances-request"}
        run(end(world))
        assert world.held() == []


def test_google_makes_nothing_without_its_tags() -> None:
    with gcp_world() as world:
        run(gang(world))
        made = [call.body for call in world.cloud.journal.calls if call.method.endswith(".insert")]
        assert len(made) >= 3
        for body in made:
            if "disks" in body:
                labels = naming.labels(TAGS)
                (disk,) = body["disks"]
                assert labels.items() <= body["labels"].items()
                assert labels.items() <= disk["initializeParams"]["labels"].items()
            else:  # a firewall rule has no labels: its description carries the tags
                assert TAGS.items() <= naming.read_tags(body["description"]).items()
        assert not any("setLabels" in name for name in world.calls())
        run(end(world))
        assert world.held() == []


def test_azure_makes_nothing_without_its_tags() -> None:
    with azure_world() as world:
        run(gang(world))
        made = [call for call in world.cloud.journal.calls if call.method.endswith("/write") and call.status < 300]
        assert len(made) >= 5
        for call in made:
            if not any(part in call.target for part in WITH_A_MACHINE):
                assert TAGS.items() <= call.body["tags"].items(), call.target
        for body in world.cloud.arm.resources.values():  # interfaces, addresses and disks come with their machine
            if not any(part in body["type"] for part in WITH_A_MACHINE):
                assert TAGS.items() <= body["tags"].items(), body["id"]
        run(end(world))
        assert world.held() == []


@pytest.fixture
def estate(tmp_path: pathlib.Path, nursery: Nursery) -> Iterator[Estate]:
    with open_estate(tmp_path, None, nursery) as estate:
        yield estate


def recorded(estate: Estate) -> tuple[str, set[str]]:
    """The owner whose tags this data directory's machines carry, and the machines that the record knows."""
    with contextlib.closing(sqlite3.connect(f"file:{estate.data_dir}/record.sqlite?mode=ro", uri=True)) as record:
        rows = record.execute("SELECT id, tags FROM instances").fetchall()
    return json.loads(rows[0][1])["tradewind-owner"], {row[0] for row in rows}


@pytest.mark.parametrize("cloud", sorted(PURCHASES))
def test_an_intent_precedes_each_purchase_and_a_machine_without_one_is_reaped(
    estate: Estate, tmp_path: pathlib.Path, cloud: str
) -> None:
    world: AwsWorld | GcpWorld | AzureWorld = getattr(estate, cloud)
    known: list[set[str]] = []

    def see(name: str) -> None:
        if name == PURCHASES[cloud]:
            known.append(recorded(estate)[1])

    if isinstance(world, AwsWorld):
        world.account.weather = see
    else:
        world.cloud.journal.on_call = see
    client = estate.start()
    text = f"num_nodes: 2\nresources: {{infra: {cloud}, use_spot: true}}\nrun: echo hi\n"
    body = {"task": task(text), "accepted_hourly_usd": 1.0, "catalog": estate.catalog, "cluster": "mine"}
    client.post("/v1/launch", body)
    until("both are bought", lambda: world.live() == 2, estate.daemon.log)
    bought = {tags["tradewind-instance"] for tags in world.tags()}
    assert len(known) == 2
    assert all(bought <= ids for ids in known), "the record knew both before either was asked for"

    owner, _ = recorded(estate)
    tags = {"tradewind-owner": owner, "tradewind-cluster": "lost-c9", "tradewind-instance": "lost"}
    run(world.provider().launch(world.request("lost", cluster="lost-c9", tags=tags), "lost"))
    shell = Shell(estate, tmp_path)
    listed = shell.types("reap", "--dry-run")
    assert [line.split()[:2] for line in listed.splitlines() if "instance" in line.split()] == [[cloud, "instance"]]
    assert world.live() == 3, "only listed"
    assert "removed" in shell.types("reap", "-y")
    assert {tags["tradewind-instance"] for tags in world.tags()} == bought, "what the record owns is left alone"
    assert shell.types("reap", "--dry-run") == "Nothing is left over.\n"
    shell.types(
        "down", "mine", "--purge", "-y"
    )  # its machines cannot be reached here, and its cloud is then asked by tag
    shell.types("reap", "-y")
    assert estate.held() == []
