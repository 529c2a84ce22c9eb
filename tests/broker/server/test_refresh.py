"""`status -r`: every cloud is asked once, whatever the number of clusters there, and all at the same time; one that fails is named."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Mapping
from typing import Any

from tests.broker.harness import offer
from tradewind.broker.provider import Instance, ProviderError
from tradewind.broker.server.fleet import Fleet
from tradewind.broker.store.records import InstanceRow

CLOUDS, CLUSTERS = ("aws", "azure", "gcp"), 20


def row(cloud: str, number: int) -> InstanceRow:
    return InstanceRow(
        id=f"{cloud}-{number}", cluster_id=number, rank=0, tries=1, token="t", tags={}, provider=cloud,
        provider_id=f"p-{number}", address="", offer=offer(cloud=cloud), use_spot=True, price_usd_h="0.1", state="RUNNING",
        lease_until_unix=0.0, agent_seq=0, created_unix=0.0, launched_unix=0.0, ended_unix=None, reason="",
    )  # fmt: skip


class Cloud:
    """Answers once all of them have been asked. Its instance 7 is gone."""

    def __init__(self, name: str, everybody: asyncio.Barrier) -> None:
        self.name, self.everybody, self.asked = name, everybody, 0

    async def describe(self, tags: Mapping[str, str]) -> list[Instance]:
        self.asked += 1
        assert tags == {"tradewind-owner": "me"}
        await self.everybody.wait()
        if self.name == "azure":
            raise ProviderError("azure", "InternalServerError", "a bad day")
        return [Instance(f"{self.name}-{n}", f"p-{n}", "RUNNING", "", tags) for n in range(CLUSTERS) if n != 7]


def test_each_cloud_once_and_all_at_once() -> None:
    gone: list[tuple[str, str]] = []

    def driver(_cluster_id: int) -> Any:
        async def lost(instance_id: str, why: str) -> None:
            gone.append((instance_id, why))

        return types.SimpleNamespace(gone=lost)

    async def scenario() -> None:
        everybody = asyncio.Barrier(len(CLOUDS))
        clouds = {name: Cloud(name, everybody) for name in CLOUDS}
        known = [row(name, number) for number in range(CLUSTERS) for name in CLOUDS]
        broker: Any = types.SimpleNamespace(
            services=types.SimpleNamespace(providers=clouds),
            store=types.SimpleNamespace(read=lambda _query: known, owner="me"),
            driver=driver,
        )
        async with asyncio.timeout(30):
            remarks = await Fleet(broker).refresh()
        assert remarks == ["azure was not asked: azure refused: a bad day (InternalServerError)"]
        assert [cloud.asked for cloud in clouds.values()] == [1, 1, 1]

    asyncio.run(scenario())
    assert sorted(gone) == [
        (f"{cloud}-7", f"{cloud} does not list this spot instance any more, as when it takes one back")
        for cloud in ("aws", "gcp")
    ], "of the cloud that did not answer nothing is taken for gone"
