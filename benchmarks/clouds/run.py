"""What joining the clouds costs, against the fakes of their APIs (and, as root, real machines behind them); `make bench-clouds`.

Prints each figure beside its goal. Everything is measured through a broker over a record on disk, as a daemon has it.
"""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import sys
import tempfile
import time
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import msgspec  # noqa: E402
from clouds.azure.world import azure_world  # noqa: E402  the fakes live beside the tests
from clouds.azure.world import offer as azure_offer  # noqa: E402
from clouds.fakes.aws.world import fake_aws  # noqa: E402
from clouds.fakes.aws.world import offer as aws_offer  # noqa: E402
from clouds.gcp.world import gcp_world  # noqa: E402
from clouds.gcp.world import offer as gcp_offer  # noqa: E402

from tests.broker.harness import FixedPlanner, ranked, task  # noqa: E402
from tradewind.broker.provider import Provider  # noqa: E402
from tradewind.broker.provision import gang  # noqa: E402
from tradewind.broker.server.broker import Broker  # noqa: E402
from tradewind.broker.server.fleet import Fleet  # noqa: E402
from tradewind.broker.store import rows  # noqa: E402
from tradewind.broker.store.database import Store  # noqa: E402
from tradewind.broker.store.records import ClusterRow, InstanceRow, Options  # noqa: E402
from tradewind.catalog.offer import Offer  # noqa: E402

GOALS = {
    "failover over 30 exhausted zones, beyond the cloud's answers s": 5.0,
    "overhead of a launch, without cloud and SSH s": 0.3,
    "status -r of 100 clusters on 3 clouds s": 3.0,
    "reap over 1000 resources s": 10.0,
}


@contextlib.contextmanager
def opened(providers: dict[str, Provider]) -> Iterator[Broker]:
    """A broker over these clouds and a record in a temporary directory. To be entered inside a running loop."""
    with tempfile.TemporaryDirectory() as directory:
        store = Store(directory)
        try:
            yield Broker(store, providers, FixedPlanner())  # type: ignore[arg-type]
        finally:
            store.close()


async def made_cluster(broker: Broker, name: str, offers: tuple[Offer, ...]) -> ClusterRow:
    """A cluster's row that nothing drives."""
    broker.services.dispatch = lambda _order: None

    def create(ledger):  # type: ignore[no-untyped-def]
        return ledger.create_cluster(
            name=name, task=task(), candidates=tuple(ranked(one) for one in offers), options=Options(), cause="bench"
        )

    cluster_id = await broker.services.apply(create)
    found = broker.store.read(lambda c: rows.cluster(c, cluster_id))
    assert found is not None
    return found


async def failover() -> tuple[float, float]:
    """Seconds to walk over 30 places that have no capacity, and to launch where there is some; the fake's own answers taken off."""
    with fake_aws() as aws, opened({"aws": aws.provider(), "local": aws.provider()}) as broker:
        kinds = ("c5.large", "m5.large", "r5.large", "c5.xlarge", "m5.xlarge")
        places = [aws_offer(zone=f"use1-az{zone}", instance_type=kind) for kind in kinds for zone in range(1, 7)]
        good = aws_offer(region="eu-west-1", zone="euw1-az1")
        for place in places:
            aws.exhaust(aws.request(offer=place, use_spot=True))
        cluster = await made_cluster(broker, "walker", (*places, good))
        walked = await _walk(broker, cluster)
        one = await made_cluster(broker, "straight", (good,))
        straight = await _walk(broker, one)
        for row in broker.store.read(rows.live_instances):
            await broker.services.providers["aws"].terminate(row.provider_id)
        await broker.stop()
        return walked, straight


async def _walk(broker: Broker, cluster: ClusterRow) -> float:
    """Seconds until the cluster's instance runs, without those spent in the provider's calls."""
    provider = broker.services.providers["aws"]
    spent = [0.0]
    originals = {name: getattr(provider, name) for name in ("launch", "describe", "headroom", "zones", "terminate")}

    def timed(call):  # type: ignore[no-untyped-def]
        async def run(*args, **kwargs):  # type: ignore[no-untyped-def]
            began = time.monotonic()
            try:
                return await call(*args, **kwargs)
            finally:
                spent[0] += time.monotonic() - began

        return run

    for name, call in originals.items():
        setattr(provider, name, timed(call))
    began = time.monotonic()
    while True:
        now = broker.store.read(lambda c: rows.cluster(c, cluster.id))
        assert now is not None
        if now.state != "PROVISIONING":
            assert now.state == "BOOTSTRAPPING", f"{now.state}: {now.why}"
            break
        order = gang.cm.Provision(cause="bench", tries=now.tries)
        await gang.provision(broker.services, cluster.id, order)
    total = time.monotonic() - began
    for name, call in originals.items():
        setattr(provider, name, call)
    return total - spent[0]


async def many() -> tuple[float, float]:
    """Seconds for `status -r` over 100 clusters on three clouds, and for `reap --dry-run` over 1,000 instances."""
    with fake_aws() as aws, gcp_world() as gcp, azure_world() as azure:
        providers = {"aws": aws.provider(), "gcp": gcp.provider(), "azure": azure.provider()}
        with opened({**providers, "local": providers["aws"]}) as broker:  # type: ignore[dict-item]
            offers = {"aws": aws_offer(), "gcp": gcp_offer(), "azure": azure_offer()}
            worlds = {"aws": aws, "gcp": gcp, "azure": azure}
            gcp.quota(1000)
            azure.quota(1000)
            azure.cloud.arm.quotas.update(dict.fromkeys(azure.cloud.arm.quotas, 10_000))
            for number in range(100):
                cloud = ("aws", "gcp", "azure")[number % 3]
                await _standing(broker, worlds[cloud], cloud, f"c{number}", offers[cloud])
            fleet = Fleet(broker)
            began = time.monotonic()
            remarks = await fleet.refresh()
            refreshed = time.monotonic() - began
            assert not remarks, remarks
            held = len(aws.held()) + len(gcp.held()) + len(azure.held())
            began = time.monotonic()
            found, remarks = await fleet.reap(dry_run=True)
            reaped = (time.monotonic() - began) * 1000 / held
            assert not remarks, remarks
            assert not found, found[:3]
            for row in broker.store.read(rows.live_instances):
                await broker.services.providers[row.provider].terminate(row.provider_id)
            await broker.stop()
            return refreshed, reaped


async def _standing(broker: Broker, world, cloud: str, name: str, offer: Offer) -> None:  # type: ignore[no-untyped-def]
    cluster = await made_cluster(broker, name, (offer,))
    instance_id = f"{name}-i"
    tags = {
        gang.TAG_OWNER: broker.store.owner,
        gang.TAG_CLUSTER: cluster.key,
        gang.TAG_INSTANCE: instance_id,
    }
    request = msgspec.structs.replace(world.request(instance_id, cluster=cluster.key), tags=tags)
    instance = await broker.services.providers[cloud].launch(request, instance_id)
    row = InstanceRow(
        id=instance_id, cluster_id=cluster.id, rank=0, tries=1, token=instance_id, tags=tags, provider=cloud, provider_id="", address="",
        offer=offer, use_spot=False, price_usd_h="0.1", state="INTENT", lease_until_unix=9e9, agent_seq=0, created_unix=broker.services.now(),
        launched_unix=None, ended_unix=None, reason="",
    )  # fmt: skip

    def record(ledger):  # type: ignore[no-untyped-def]
        rows.insert_instance(ledger.connection, row)
        ledger.instance_launched(row, provider_id=instance.provider_id, address=instance.address, cause="bench")

    await broker.services.apply(record)


def main() -> int:
    """Print every figure with its goal; 1 when one is missed."""
    walked, straight = asyncio.run(failover())
    refreshed, reaped = asyncio.run(many())
    figures = dict(zip(GOALS, (walked, straight, refreshed, reaped), strict=True))
    for what, value in figures.items():
        verdict = "met" if value <= GOALS[what] else "MISSED"
        print(f"{what.removesuffix(' s'):<66} {value:8.3f} s   goal {GOALS[what]:g} s   {verdict}")
    return int(any(value > GOALS[what] for what, value in figures.items()))


if __name__ == "__main__":
    sys.exit(main())
