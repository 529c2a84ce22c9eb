"""Local instances for tests: requests, and providers whose instances are all ended afterwards."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from tradewind.broker.clouds.local.containment import Containment, best_containment
from tradewind.broker.clouds.local.directory import instance_ids
from tradewind.broker.clouds.local.machine import this_machine
from tradewind.broker.clouds.local.provider import LocalProvider
from tradewind.broker.provider import LaunchRequest

DEADLINE_S = 80


def _ways() -> list[Containment]:
    best = best_containment()
    order: list[Containment] = ["pid-namespace", "user-namespace", "plain"]
    return order[order.index(best) :]


@pytest.fixture(params=_ways())
def way(request: pytest.FixtureRequest) -> Containment:
    """Every way of holding processes together that works on this machine."""
    return request.param


@pytest.fixture(autouse=True)
def own_run_directory(monkeypatch) -> Iterator[str]:
    """Sockets' directories of this test's instances: empty again when it ends."""
    with tempfile.TemporaryDirectory(prefix="tw-") as path:
        monkeypatch.setenv("XDG_RUNTIME_DIR", path)
        yield path
        left = os.listdir(os.path.join(path, "tradewind")) if os.path.exists(os.path.join(path, "tradewind")) else []
        assert left == []


@pytest.fixture
def provider(tmp_path, way) -> Iterator[LocalProvider]:
    made = LocalProvider(str(tmp_path / "instances"), containment=way)
    yield made
    end_all(made)


@pytest.fixture
def best_provider(tmp_path) -> Iterator[LocalProvider]:
    made = LocalProvider(str(tmp_path / "instances"))
    yield made
    end_all(made)


def end_all(provider: LocalProvider) -> None:
    async def end() -> None:
        for instance_id in instance_ids(provider._root):
            await provider.terminate(instance_id)

    asyncio.run(end())
    assert not os.path.exists(provider._root) or os.listdir(provider._root) == []


@pytest.fixture
def ask() -> Callable[..., LaunchRequest]:
    def request(
        instance_id: str = "i-one", *, cluster: str = "c1", rank: int = 0, lease_s: float = 600
    ) -> LaunchRequest:
        return LaunchRequest(
            instance_id=instance_id,
            cluster=cluster,
            rank=rank,
            offer=this_machine(),
            use_spot=False,
            max_hourly_usd=0,
            tags={"cluster": cluster, "id": instance_id},
            lease_until_unix=time.time() + lease_s,
        )

    return request


@pytest.fixture
def run() -> Callable[[Coroutine[Any, Any, Any]], Any]:
    def bounded(coroutine: Coroutine[Any, Any, Any]) -> Any:
        async def body() -> Any:
            return await asyncio.wait_for(coroutine, DEADLINE_S)

        return asyncio.run(body())

    return bounded
