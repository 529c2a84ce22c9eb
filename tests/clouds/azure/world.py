"""Azure's fake with the provider in front, as the conformance tests want it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from azure.core.credentials import AccessToken, AccessTokenInfo

from clouds.fakes.azure_cloud import AzureCloud
from clouds.fakes.journal import Fault
from tradewind.broker.clouds.azure import check
from tradewind.broker.clouds.azure.provider import AzureProvider
from tradewind.broker.clouds.azure.session import Found, Session, Settings
from tradewind.broker.provider import Instance, LaunchRequest
from tradewind.catalog.offer import Offer

OPERATIONS = ("operations/read",)  # asking after an accepted deletion needs no permission of its own
MACHINE_WRITE = "Microsoft.Compute/virtualMachines/write"


class StaticCredential:
    """Any token will do."""

    def get_token(self, *scopes, **options) -> AccessToken:
        return AccessToken("token", int(time.time()) + 3600)

    def get_token_info(self, *scopes, **options) -> AccessTokenInfo:
        return AccessTokenInfo("token", int(time.time()) + 3600)

    def close(self) -> None:
        pass


def offer(instance_type: str = "Standard_D8s_v5", **changes) -> Offer:
    values = {
        "cloud": "azure",
        "region": "eastus",
        "zone": "",
        "instance_type": instance_type,
        "arch": "x86_64",
        "vcpus": 8.0,
        "memory_gib": 32.0,
        "accelerator": "",
        "accelerator_count": 0.0,
        "accelerator_memory_gib": None,
        "price_ondemand_usd_h": 0.384,
        "price_spot_usd_h": 0.08,
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
        "max_hourly_usd": 0.1,
        "tags": {"tradewind-owner": "Owner.1", "tradewind-cluster": cluster, "tradewind-instance": instance_id},
        "lease_until_unix": 2_000_000_000.0,
        "ssh_public_key": "ssh-ed25519 AAAAC3Nza tradewind",
        "user_data": "#cloud-config\nssh_keys: {}\n",
    }
    return LaunchRequest(**(values | changes))


class AzureWorld:
    can = frozenset(
        {
            "spot",
            "stop",
            "quota",
            "lost_reply",
            "lag",
            "throttle",
            "slow",
            "reclaim",
            "price",
            "leftovers",
            "ports",
            "crash",
        }
    )

    def __init__(self, **settings) -> None:
        self.cloud = AzureCloud()
        self._settings = settings
        self._providers: list[AzureProvider] = []

    def session(self, **changes) -> Session:
        settings = {
            "subscription": self.cloud.arm.subscription,
            "endpoint": self.cloud.url,
            "authority": self.cloud.authority,
            "poll_interval_s": 0.005,
            "retry_first_s": 0.01,
            **self._settings,
            **changes,
        }
        return Session(Settings(**settings), credentials=StaticCredential(), found=Found("given"))

    def provider(self, **changes) -> AzureProvider:
        made = AzureProvider(self.session(**changes))
        self._providers.append(made)
        return made

    request = staticmethod(request)

    def close(self) -> None:
        for provider in self._providers:
            provider.close()
        self.cloud.close()
        assert self.cloud.violations == []
        known = {*check.CALLS, check.SELF_DELETION, *OPERATIONS}
        assert set(self.cloud.journal.names()) <= known, "a call is made that the list of permissions does not hold"

    def held(self) -> list[str]:
        return self.cloud.arm.held()

    def live(self) -> int:
        return len(self.cloud.arm.machines())

    def calls(self) -> list[str]:
        return self.cloud.journal.names()

    def exhaust(self, request: LaunchRequest) -> None:
        place = request.offer.region + (f"-{request.offer.zone}" if request.offer.zone else "")
        self.cloud.arm.capacity[place, request.offer.instance_type, request.use_spot] = 0

    def forbid(self) -> None:
        self.cloud.signed_out = True

    def quota(self, instances: int) -> None:
        self.cloud.arm.quotas["standardDSv5Family"] = 8 * instances

    def underprice(self) -> None:
        self.cloud.arm.spot_price = 1.0

    def lose_reply(self) -> None:
        self.cloud.journal.faults.append(Fault(MACHINE_WRITE, lose_answer=True))

    def lag(self, reads: int) -> None:
        self.cloud.arm.list_lag = reads

    def throttle(self, times: int) -> None:
        self.cloud.journal.faults.append(
            Fault("Microsoft.Compute/virtualMachines/read", 429, "TooManyRequests", "Too many requests", times=times)
        )

    def crash(self, after: int, *, took_effect: bool) -> None:
        self.cloud.journal.crash_after, self.cloud.journal.crash_took_effect = after, took_effect

    def revive(self) -> bool:
        return self.cloud.journal.revive()

    def slow(self, seconds: float) -> None:
        self.cloud.delay_s = seconds

    def reclaim(self, instance: Instance) -> None:
        self.cloud.arm.evict(instance.provider_id.partition("/")[2])


@contextlib.contextmanager
def azure_world(**settings) -> Iterator[AzureWorld]:
    world = AzureWorld(**settings)
    try:
        yield world
    finally:
        world.close()
