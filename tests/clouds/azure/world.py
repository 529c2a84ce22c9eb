"""Azure's fake with the provider in front, as the conformance tests want it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from azure.core.credentials import AccessToken, AccessTokenInfo

from clouds.conformance import EVERYTHING
from clouds.fakes.azure_cloud import AzureCloud
from clouds.fakes.journal import Fault
from clouds.launching import FIRST_BOOT, a_request, an_offer
from clouds.wire_world import WireWorld
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
    fields = {"region": "eastus", "zone": "", "price_ondemand_usd_h": 0.384, "price_spot_usd_h": 0.08} | changes
    return an_offer("azure", instance_type=instance_type, **fields)


def request(
    instance_id: str = "i-one", *, cluster: str = "c1", rank: int = 0, use_spot: bool = False, **changes
) -> LaunchRequest:
    fields = {"offer": offer(), "max_hourly_usd": 0.1, **FIRST_BOOT} | changes
    return a_request(instance_id=instance_id, cluster=cluster, rank=rank, use_spot=use_spot, **fields)


class AzureWorld(WireWorld):
    can = EVERYTHING
    permitted = (*check.CALLS, check.SELF_DELETION, *OPERATIONS)
    request = staticmethod(request)

    def fake(self) -> AzureCloud:
        return AzureCloud()

    def make(self, session: Session) -> AzureProvider:
        return AzureProvider(session)

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

    def held(self) -> list[str]:
        return self.cloud.arm.held()

    def live(self) -> int:
        return len(self.cloud.arm.machines())

    def bought(self) -> list[str]:
        """The paths of the machines whose making was ever accepted."""
        calls = [call for call in self.cloud.journal.calls if call.method == MACHINE_WRITE]
        return sorted({call.target for call in calls if call.status in {200, 201}})

    def tags(self) -> list[dict[str, str]]:
        """The tags of every machine that is not ended."""
        return [body.get("tags", {}) for body in self.cloud.arm.list("Microsoft.Compute/virtualMachines")]

    def exhaust(self, request: LaunchRequest) -> None:
        place = request.offer.region + (f"-{request.offer.zone}" if request.offer.zone else "")
        self.cloud.arm.capacity[place, request.offer.instance_type, request.use_spot] = 0

    def quota(self, instances: int) -> None:
        self.cloud.arm.quotas["standardDSv5Family"] = 8 * instances

    def underprice(self) -> None:
        self.cloud.arm.spot_price = 1.0

    def lose_reply(self) -> None:
        self.strike(Fault(MACHINE_WRITE, lose_answer=True))

    def lag(self, reads: int) -> None:
        self.cloud.arm.list_lag = reads

    def throttle(self, times: int) -> None:
        self.strike(
            Fault("Microsoft.Compute/virtualMachines/read", 429, "TooManyRequests", "Too many requests", times=times)
        )

    def reclaim(self, instance: Instance) -> None:
        self.cloud.arm.evict(instance.provider_id.partition("/")[2])


@contextlib.contextmanager
def azure_world(**settings) -> Iterator[AzureWorld]:
    world = AzureWorld(**settings)
    try:
        yield world
    finally:
        world.close()
