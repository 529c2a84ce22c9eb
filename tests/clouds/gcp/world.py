"""Google's fake with the provider in front, as the conformance tests want it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from google.auth.credentials import AnonymousCredentials

from clouds.fakes.google_cloud import GoogleCloud
from clouds.fakes.journal import Fault
from tradewind.broker.clouds.gcp.check import PERMISSIONS
from tradewind.broker.clouds.gcp.provider import GcpProvider
from tradewind.broker.clouds.gcp.session import Found, Session, Settings
from tradewind.broker.provider import Instance, LaunchRequest
from tradewind.catalog.offer import Offer


def offer(instance_type: str = "n2-standard-8", **changes) -> Offer:
    values = {
        "cloud": "gcp",
        "region": "us-central1",
        "zone": "us-central1-a",
        "instance_type": instance_type,
        "arch": "x86_64",
        "vcpus": 8.0,
        "memory_gib": 32.0,
        "accelerator": "",
        "accelerator_count": 0.0,
        "accelerator_memory_gib": None,
        "price_ondemand_usd_h": 0.39,
        "price_spot_usd_h": 0.09,
    }
    return Offer(**(values | changes))


def request(
    instance_id: str = "i-one", *, cluster: str = "c1", rank: int = 0, use_spot: bool = False, **changes
) -> LaunchRequest:
    values = {
        "instance_id": instance_id,
        "cluster": cluster,
        "rank": rank,
        "offer": offer(),
        "use_spot": use_spot,
        "max_hourly_usd": 1.0,
        "tags": {"tradewind-owner": "Owner.1", "tradewind-cluster": cluster, "tradewind-instance": instance_id},
        "lease_until_unix": 2_000_000_000.0,
        "ssh_public_key": "ssh-ed25519 AAAAC3Nza tradewind",
        "user_data": "#cloud-config\nssh_keys: {}\n",
    }
    return LaunchRequest(**(values | changes))


class GcpWorld:
    can = frozenset(
        {"spot", "stop", "quota", "lost_reply", "lag", "throttle", "slow", "reclaim", "leftovers", "ports", "crash"}
    )

    def __init__(self, **settings) -> None:
        self.cloud = GoogleCloud()
        self._settings = settings
        self._providers: list[GcpProvider] = []

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

    def provider(self, **changes) -> GcpProvider:
        made = GcpProvider(self.session(**changes))
        self._providers.append(made)
        return made

    request = staticmethod(request)

    def close(self) -> None:
        for provider in self._providers:
            provider.close()
        self.cloud.close()
        assert self.cloud.violations == []
        assert set(self.cloud.journal.names()) <= set(PERMISSIONS), (
            "a call is made that the table of permissions does not hold"
        )

    def held(self) -> list[str]:
        return [*self.cloud.compute.held(), *(f"node {name}" for name in self.cloud.tpu.nodes)]

    def live(self) -> int:
        return len(self.cloud.compute.live()) + len(self.cloud.tpu.nodes)

    def calls(self) -> list[str]:
        return self.cloud.journal.names()

    def exhaust(self, request: LaunchRequest) -> None:
        key = (request.offer.zone, request.offer.instance_type, request.use_spot)
        self.cloud.compute.capacity[key] = 0

    def forbid(self) -> None:
        self.cloud.signed_out = True

    def quota(self, instances: int) -> None:
        self.cloud.compute.region_quotas["N2_CPUS"] = 8.0 * instances

    def lose_reply(self) -> None:
        self.cloud.journal.faults.append(Fault("compute.instances.insert", lose_answer=True))

    def lag(self, reads: int) -> None:
        self.cloud.compute.list_lag = reads

    def throttle(self, times: int) -> None:
        self.cloud.journal.faults.append(
            Fault("compute.instances.aggregatedList", 429, "rateLimitExceeded", "Rate Limit Exceeded", times=times)
        )

    def crash(self, after: int, *, took_effect: bool) -> None:
        self.cloud.journal.crash_after, self.cloud.journal.crash_took_effect = after, took_effect
        self._settings["retry_for_s"] = 0.02  # the dead need no patience

    def revive(self) -> bool:
        self._settings.pop("retry_for_s", None)
        return self.cloud.journal.revive()

    def slow(self, seconds: float) -> None:
        self.cloud.delay_s = seconds

    def reclaim(self, instance: Instance) -> None:
        self.cloud.compute.reclaim(instance.provider_id.partition("/")[2])


@contextlib.contextmanager
def gcp_world(**settings) -> Iterator[GcpWorld]:
    world = GcpWorld(**settings)
    try:
        yield world
    finally:
        world.close()
