"""A fake AWS account as the conformance suite's world."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import Any

from clouds.conformance import EVERYTHING
from clouds.fakes.aws import rules
from clouds.fakes.aws.shim import Shim
from clouds.launching import a_request, an_offer
from tradewind.broker.clouds.aws import AwsProvider, check
from tradewind.broker.clouds.aws.session import AwsSession
from tradewind.broker.provider import Instance, LaunchRequest
from tradewind.catalog.offer import Offer

# Read by moto when a region is first touched; set for good so that no test depends on another's order.
os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
os.environ["MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION"] = "1"
REGIONS = ("us-east-1", "eu-west-1")


def offer(region: str = "us-east-1", zone: str = "use1-az1", instance_type: str = "c5.large", **more: Any) -> Offer:
    fields = {"vcpus": 2.0, "memory_gib": 4.0, "price_ondemand_usd_h": 0.085, "price_spot_usd_h": 0.03} | more
    return an_offer("aws", region, zone, instance_type, **fields)


class AwsWorld:
    """One account, some regions, the faults of the shim."""

    can = EVERYTHING

    def __init__(self, shim: Shim, endpoint: str) -> None:
        self.shim, self.endpoint = shim, endpoint
        self.account = shim.account
        self.made: list[AwsProvider] = []

    def session(self) -> AwsSession:
        return AwsSession(endpoint_url=self.endpoint, access_key="AKIATESTING", secret_key="testing")

    def provider(self) -> AwsProvider:
        made = AwsProvider(self.session(), regions=REGIONS, pause_s=0.01)
        self.made.append(made)
        return made

    def request(
        self,
        instance_id: str = "i-one",
        *,
        cluster: str = "c1",
        rank: int = 0,
        use_spot: bool = False,
        **fields: Any,
    ) -> LaunchRequest:
        given = {"offer": offer(), "max_hourly_usd": 0.05} | fields
        return a_request(instance_id=instance_id, cluster=cluster, rank=rank, use_spot=use_spot, **given)

    def held(self) -> list[str]:
        found = []
        for region in REGIONS:
            backend = rules.backend(region)
            found += [i.id for i in rules.all_instances(region) if i._state.name != "terminated"]
            found += [v.id for v in backend.volumes.values()]
            found += [g.id for groups in backend.groups.values() for g in groups.values() if g.name != "default"]
            found += list(backend.key_pairs) + list(backend.addresses) + list(backend.enis)
        return found

    def live(self) -> int:
        return sum(i._state.name in {"pending", "running", "stopped"} for r in REGIONS for i in rules.all_instances(r))

    def bought(self) -> list[str]:
        """The tokens of the launches that took effect."""
        return [form["ClientToken"] for form in self.account.launches]

    def tags(self) -> list[dict[str, str]]:
        """The tags of every instance that is not ended."""
        alive = [
            i for r in REGIONS for i in rules.all_instances(r) if i._state.name not in {"shutting-down", "terminated"}
        ]
        return [{tag["key"]: tag["value"] for tag in instance.get_tags()} for instance in alive]

    def calls(self) -> list[str]:
        return [f"{service}:{action}" for service, _, action in self.shim.journal]

    def exhaust(self, request: LaunchRequest) -> None:
        names = {z.zone_id: z.name for z in rules.backend(request.offer.region).describe_availability_zones()}
        zone = names.get(request.offer.zone, request.offer.zone)
        self.account.faults.exhausted.add((zone, request.offer.instance_type, request.use_spot))

    def forbid(self) -> None:
        self.account.faults.forbidden = True

    def quota(self, instances: int) -> None:
        self.account.faults.quota = instances

    def underprice(self) -> None:
        self.account.faults.underpriced = True

    def lose_reply(self) -> None:
        self.account.faults.lost_replies += 1

    def lag(self, reads: int) -> None:
        self.account.faults.hidden_reads = reads

    def throttle(self, times: int) -> None:
        self.account.faults.throttled = times

    def slow(self, seconds: float) -> None:
        self.account.faults.delay_s = seconds

    def crash(self, after: int, *, took_effect: bool) -> None:
        if not self.held():
            self.an_hour_later()
        self.account.crash_in, self.account.crash_took_effect, self.account.crashed = after, took_effect, False

    def an_hour_later(self) -> None:
        """Nothing is held, and EC2 lists no longer what has ended; moto would go through all of it in every answer."""
        for region in REGIONS:
            backend = rules.backend(region)
            backend.reservations.clear()
            backend.tags.clear()

    def revive(self) -> bool:
        happened, self.account.crash_in, self.account.crashed = self.account.crashed, None, False
        return happened

    def reclaim(self, instance: Instance) -> None:
        region, _, name = instance.provider_id.partition("/")
        self.shim.end(region, name, "Server.SpotInstanceTermination", "Spot instance termination")


@contextlib.contextmanager
def fake_aws() -> Iterator[AwsWorld]:
    """A fresh account behind a server on 127.0.0.1."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    reset()
    shim = Shim(DomainDispatcherApplication(create_backend_app))

    class Quiet(MotoRequestHandler):
        protocol_version = "HTTP/1.1"

        def log(self, *_args: object) -> None:
            """Nothing: the journal is the log."""

    server = make_server("127.0.0.1", 0, shim, threaded=True, request_handler=Quiet)
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="fake-aws")
    serving.start()
    world = AwsWorld(shim, f"http://127.0.0.1:{server.server_port}")
    try:
        yield world
        unlisted = set(world.calls()) - set(check.ACTIONS)
        assert not unlisted, f"calls are made that the documented policy does not hold: {sorted(unlisted)}"
    finally:
        for provider in world.made:
            provider.close()
        server.shutdown()
        serving.join()
        server.server_close()
        reset()


def reset() -> None:
    """moto keeps its state in the process: empty it."""
    from moto.ec2.models import ec2_backends

    ec2_backends.reset()
