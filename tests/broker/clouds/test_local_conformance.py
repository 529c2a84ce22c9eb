"""The local provider held to what every provider must do."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest
from clouds.conformance import ProviderConformance

from tradewind.broker.clouds.local.directory import InstanceDirectory, instance_ids
from tradewind.broker.clouds.local.host_client import unix_socket
from tradewind.broker.clouds.local.machine import this_machine
from tradewind.broker.clouds.local.market import REASON
from tradewind.broker.clouds.local.provider import LocalProvider
from tradewind.broker.provider import Instance, LaunchRequest, ProviderError

NOBODY = 65534


class LocalWorld:
    """This machine as the suite's world: real processes in a directory, and nothing faked."""

    can = frozenset({"spot", "reclaim", "ports"})

    def __init__(self, root: str) -> None:
        self.root = root
        self.full: set[str] = set()

    def provider(self) -> LocalProvider:
        return LocalProvider(self.root, refuses=self.refuses)

    def refuses(self, request: LaunchRequest) -> str | None:
        return f"{request.offer.zone} has no room" if request.offer.zone in self.full else None

    def request(
        self, instance_id: str = "i-one", *, cluster: str = "c1", rank: int = 0, use_spot: bool = False
    ) -> LaunchRequest:
        return LaunchRequest(
            instance_id=instance_id,
            cluster=cluster,
            rank=rank,
            offer=this_machine(),
            use_spot=use_spot,
            max_hourly_usd=1.0,
            tags={"tradewind-cluster": cluster, "tradewind-instance": instance_id},
            lease_until_unix=round(time.time() / 1000) * 1000 + 7200.0,
        )

    def held(self) -> list[str]:
        return os.listdir(self.root) if os.path.exists(self.root) else []

    def live(self) -> int:
        return sum(not InstanceDirectory(self.root, one).lock_is_free() for one in instance_ids(self.root))

    def calls(self) -> list[str]:
        return []

    def exhaust(self, request: LaunchRequest) -> None:
        self.full.add(request.offer.zone)

    def forbid(self) -> None:
        if os.geteuid() != 0:
            pytest.skip("only root can give a directory to another user")
        os.makedirs(self.root, exist_ok=True)
        os.chown(self.root, NOBODY, NOBODY)

    def reclaim(self, instance: Instance) -> None:
        with unix_socket(InstanceDirectory(self.root, instance.provider_id).host_socket) as host:
            host.sendall(b'{"op": "reclaim", "at_unix": 0, "reason": "%s"}\n' % REASON.encode())
            host.recv(100)


class TestLocalConformance(ProviderConformance):
    @pytest.fixture
    def world(self, tmp_path) -> Iterator[LocalWorld]:
        return LocalWorld(str(tmp_path / "instances"))

    def test_an_error_of_the_machine_is_no_capacity_here(self, world) -> None:
        blocked = world.provider().classify(ProviderError("local", "disk", "no space left"))
        assert (blocked.kind, blocked.scope) == ("capacity", "region")
