"""Failover over places that have no capacity, without the cloud's own answers."""

from __future__ import annotations

import time

from clouds.fakes.aws.world import fake_aws
from clouds.fakes.aws.world import offer as aws_offer

from benchmarks.clouds.brokers import made_cluster, opened
from benchmarks.clouds.figures import Figure
from tradewind.broker.provision import gang
from tradewind.broker.server.broker import Broker
from tradewind.broker.store import rows
from tradewind.broker.store.records import ClusterRow


async def failover() -> list[Figure]:
    """30 places refuse, the 31st sells."""
    with fake_aws() as aws, opened({"aws": aws.provider()}) as broker:
        kinds = ("c5.large", "m5.large", "r5.large", "c5.xlarge", "m5.xlarge")
        places = [aws_offer(zone=f"use1-az{zone}", instance_type=kind) for kind in kinds for zone in range(1, 7)]
        good = aws_offer(region="eu-west-1", zone="euw1-az1")
        for place in places:
            aws.exhaust(aws.request(offer=place, use_spot=True))
        cluster = await made_cluster(broker, "walker", (*places, good))
        walked = await _walk(broker, cluster)
        for row in broker.store.read(rows.live_instances):
            await broker.services.providers["aws"].terminate(row.provider_id)
        await broker.stop()
    return [Figure("failover over 30 exhausted zones, beyond what the fake takes", 5.0, walked)]


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
