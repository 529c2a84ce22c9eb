"""A start that is asked for while a stop is still under way, as after Ctrl-C, waits for its end: a machine half stopped would be taken for running."""

from __future__ import annotations

import asyncio
import pathlib
from typing import Any

import msgspec

from tests.broker.harness import Running, launch_request, run, task
from tests.broker.scripted import ScriptedCloud
from tradewind.broker.server.fleet import Fleet


class Stoppable(ScriptedCloud):
    """Its machines stop when the gate opens."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.done: list[str] = []

    def _is(self, provider_id: str, state: Any) -> None:
        self.instances[provider_id] = msgspec.structs.replace(self.instances[provider_id], state=state)
        self.done.append(state)

    async def stop(self, provider_id: str) -> None:
        await self.gate.wait()
        self.agents[provider_id].die()
        self._is(provider_id, "STOPPED")

    async def start(self, provider_id: str) -> None:
        self._is(provider_id, "RUNNING")


def test_the_stop_ends_first(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        cloud = Stoppable()
        async with Running(str(tmp_path / "data"), cloud) as r:
            await r.broker.launch(launch_request(task()))
            await r.until("it is up", lambda: r.cluster_state() == "UP")
            fleet = Fleet(r.broker)
            stopping = asyncio.create_task(fleet.stop("c"))
            await r.until("it is being stopped", lambda: r.cluster_state() == "STOPPED")
            stopping.cancel()  # whoever asked has gone
            starting = asyncio.create_task(fleet.start("c"))
            await asyncio.sleep(0.1)
            assert r.cluster_state() == "STOPPED", "it has not begun"
            cloud.gate.set()
            assert (await starting).state == "UP"
            assert cloud.done == ["STOPPED", "RUNNING"]
            assert len(cloud.by_token) == 1
            await r.broker.down("c")

    run(scenario())
