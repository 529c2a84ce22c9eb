"""Many clusters at three clouds at once: asking after them, and sweeping up what no record owns."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import msgspec
from clouds.azure.world import azure_world
from clouds.azure.world import offer as azure_offer
from clouds.fakes.aws.world import fake_aws
from clouds.fakes.aws.world import offer as aws_offer
from clouds.gcp.world import gcp_world
from clouds.gcp.world import offer as gcp_offer

from benchmarks.clouds.brokers import made_cluster, opened
from benchmarks.clouds.figures import Figure
from tradewind.broker.provision import gang
from tradewind.broker.server.broker import Broker
from tradewind.broker.server.fleet import Fleet
from tradewind.broker.store import rows
from tradewind.broker.store.records import InstanceRow

OFFERS = {"aws": aws_offer(), "gcp": gcp_offer(), "azure": azure_offer()}
CLUSTERS, RESOURCES = 100, 1000


@contextlib.contextmanager
def three_clouds() -> Iterator[dict[str, Any]]:
    """Fakes with room for hundreds of machines."""
    with fake_aws() as aws, gcp_world() as gcp, azure_world() as azure:
        gcp.quota(1000)
        azure.quota(1000)
        azure.cloud.arm.quotas.update(dict.fromkeys(azure.cloud.arm.quotas, 10_000))
        yield {"aws": aws, "gcp": gcp, "azure": azure}


def held(worlds: dict[str, Any]) -> int:
    """How many resources there are in all."""
    return sum(len(world.held()) for world in worlds.values())


async def fleets() -> list[Figure]:
    """`status -r` of 100 clusters; `reap --dry-run` and `reap` over 1,000 resources."""
    with three_clouds() as worlds, opened({name: world.provider() for name, world in worlds.items()}) as broker:
        for number in range(CLUSTERS):
            await standing(broker, worlds, list(worlds)[number % 3], f"c{number}")
        fleet = Fleet(broker)
        began = time.monotonic()
        remarks = await fleet.refresh()
        refreshed = time.monotonic() - began
        assert not remarks, remarks
        number = 0
        while held(worlds) < RESOURCES:  # what a lost record leaves: nobody knows of these
            await _launched(broker, worlds, list(worlds)[number % 3], f"stray{number}", f"stray{number}-i")
            number += 1
        whole, owned = held(worlds), len(broker.store.read(rows.live_instances))
        began = time.monotonic()
        found, remarks = await fleet.reap(dry_run=True)
        looked = time.monotonic() - began
        assert not remarks, remarks
        assert sum(one.kind == "instance" for one in found) == number
        began, worked = time.monotonic(), time.process_time()
        _, remarks = await fleet.reap(dry_run=False)
        reaped, worked = time.monotonic() - began, time.process_time() - worked
        assert not remarks, remarks
        left = await fleet.reap(dry_run=True)
        assert left == ([], []), left
        removed = whole - held(worlds)
        for row in broker.store.read(rows.live_instances):
            await broker.services.providers[row.provider].terminate(row.provider_id)
        await broker.stop()
    note = f"{removed} removed, of {number} machines that no record owns; fakes and all took {worked:.1f} s of one processor"
    return [
        Figure(f"status -r of {CLUSTERS} clusters on 3 clouds", 3.0, refreshed),
        Figure(f"reap --dry-run over {whole} resources on 3 clouds, {owned} machines owned", 10.0, looked),
        Figure(f"reap over {whole} resources on 3 clouds", 10.0, reaped, note),
    ]


async def _launched(broker: Broker, worlds: dict[str, Any], cloud: str, key: str, instance_id: str):  # type: ignore[no-untyped-def]
    tags = {gang.TAG_OWNER: broker.store.owner, gang.TAG_CLUSTER: key, gang.TAG_INSTANCE: instance_id}
    request = msgspec.structs.replace(worlds[cloud].request(instance_id, cluster=key), tags=tags)
    return tags, await broker.services.providers[cloud].launch(request, instance_id)


async def standing(broker: Broker, worlds: dict[str, Any], cloud: str, name: str) -> None:
    """A cluster of one machine, there and in the record."""
    cluster = await made_cluster(broker, name, (OFFERS[cloud],))
    instance_id = f"{name}-i"
    tags, instance = await _launched(broker, worlds, cloud, cluster.key, instance_id)
    row = InstanceRow(
        id=instance_id, cluster_id=cluster.id, rank=0, tries=1, token=instance_id, tags=tags, provider=cloud, provider_id="", address="",
        offer=OFFERS[cloud], use_spot=False, price_usd_h="0.1", state="INTENT", lease_until_unix=9e9, agent_seq=0,
        created_unix=broker.services.now(), launched_unix=None, ended_unix=None, reason="",
    )  # fmt: skip

    def record(ledger):  # type: ignore[no-untyped-def]
        rows.insert_instance(ledger.connection, row)
        ledger.instance_launched(row, provider_id=instance.provider_id, address=instance.address, cause="bench")

    await broker.services.apply(record)
