"""Google's fake with the provider in front, as the conformance tests want it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from google.auth.credentials import AnonymousCredentials

from clouds.conformance import EVERYTHING
from clouds.fakes.google_cloud import GoogleCloud
from clouds.fakes.journal import Fault
from clouds.launching import FIRST_BOOT, a_request, an_offer
from clouds.wire_world import WireWorld
from tradewind.broker.clouds.gcp.check import PERMISSIONS
from tradewind.broker.clouds.gcp.provider import GcpProvider
from tradewind.broker.clouds.gcp.session import Found, Session, Settings
from tradewind.broker.provider import Instance, LaunchRequest
from tradewind.catalog.offer import Offer


def offer(instance_type: str = "n2-standard-8", **changes) -> Offer:
    fields = {
        "region": "us-central1",
        "zone": "us-central1-a",
        "price_ondemand_usd_h": 0.39,
        "price_spot_usd_h": 0.09,
    } | changes
    return an_offer("gcp", instance_type=instance_type, **fields)


def request(
    instance_id: str = "i-one", *, cluster: str = "c1", rank: int = 0, use_spot: bool = False, **changes
) -> LaunchRequest:
    fields = {"offer": offer(), "max_hourly_usd": 1.0, **FIRST_BOOT} | changes
    return a_request(instance_id=instance_id, cluster=cluster, rank=rank, use_spot=use_spot, **fields)


class GcpWorld(WireWorld):
    can = EVERYTHING - {"price"}
    permitted = PERMISSIONS
    request = staticmethod(request)

    def fake(self) -> GoogleCloud:
        return GoogleCloud()

    def make(self, session: Session) -> GcpProvider:
        return GcpProvider(session)

    def session(self, **changes) -> Session:
        settings = {
            "project": "demo-project",
            "compute_endpoint": self.cloud.url,
            "tpu_endpoint": self.cloud.url,
            "projects_endpoint": self.cloud.url,
            "poll_interval_s": 0.005,
            "retry_first_s": 0.01,
            **self._settings,
            **changes,
        }
        return Session(Settings(**settings), credentials=AnonymousCredentials(), found=Found(file="anonymous"))

    def held(self) -> list[str]:
        return [*self.cloud.compute.held(), *(f"node {name}" for name in self.cloud.tpu.nodes)]

    def live(self) -> int:
        return len(self.cloud.compute.live()) + len(self.cloud.tpu.nodes)

    def bought(self) -> list[str]:
        """The names of the machines whose making was ever accepted."""
        calls = [call for call in self.cloud.journal.calls if call.method == "compute.instances.insert"]
        return sorted({call.body["name"] for call in calls if call.status == 200})

    def tags(self) -> list[dict[str, str]]:
        """The labels of every machine that is not ended."""
        return [machine.body["labels"] for machine in self.cloud.compute.machines.values() if not machine.ended]

    def exhaust(self, request: LaunchRequest) -> None:
        key = (request.offer.zone, request.offer.instance_type, request.use_spot)
        self.cloud.compute.capacity[key] = 0

    def quota(self, instances: int) -> None:
        self.cloud.compute.region_quotas["N2_CPUS"] = 8.0 * instances

    def lose_reply(self) -> None:
        self.strike(Fault("compute.instances.insert", lose_answer=True))

    def lag(self, reads: int) -> None:
        self.cloud.compute.list_lag = reads

    def throttle(self, times: int) -> None:
        self.strike(
            Fault("compute.instances.aggregatedList", 429, "rateLimitExceeded", "Rate Limit Exceeded", times=times)
        )

    def crash(self, after: int, *, took_effect: bool) -> None:
        super().crash(after, took_effect=took_effect)
        self._settings["retry_for_s"] = 0.02  # the dead need no patience

    def revive(self) -> bool:
        self._settings.pop("retry_for_s", None)
        return super().revive()

    def reclaim(self, instance: Instance) -> None:
        self.cloud.compute.reclaim(instance.provider_id.partition("/")[2])


@contextlib.contextmanager
def gcp_world(**settings) -> Iterator[GcpWorld]:
    world = GcpWorld(**settings)
    try:
        yield world
    finally:
        world.close()
