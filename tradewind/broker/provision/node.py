"""One instance of a live cluster as the daemon holds it: its row, the way to it, and its agent's connection."""

from __future__ import annotations

import asyncio
from typing import Any

from tradewind.agent.protocol import Accelerators
from tradewind.broker.provider import Transport
from tradewind.broker.provision.agent_client import AgentClient
from tradewind.broker.provision.signal import Signal
from tradewind.broker.store.records import InstanceRow


class Node:
    """A connected node. `seen_seq` is the newest agent event whose consequences are in the record."""

    def __init__(self, row: InstanceRow, transport: Transport, client: AgentClient) -> None:
        self.row = row
        self.transport = transport
        self.client = client
        self.seen_seq = row.agent_seq
        self.accelerators: Accelerators | None = None  # once its agent has told them
        self._progress = Signal()
        self.tasks: list[asyncio.Task[Any]] = []
        self.relaying = asyncio.Lock()  # one fetch of its checkpoints at a time

    def saw(self, seq: int) -> None:
        """The event of this number has been taken in."""
        self.seen_seq = max(self.seen_seq, seq)
        self._progress.notify()

    async def seen(self, seq: int) -> None:
        """Return once every event up to `seq` has been taken in."""
        while self.seen_seq < seq:
            await self._progress.wait(self._progress.count)

    @property
    def rank(self) -> int:
        """Its place in the gang."""
        return self.row.rank

    async def close(self) -> None:
        """Drop the connection; what runs on the instance runs on."""
        for task in self.tasks:
            if task is not asyncio.current_task():
                task.cancel()
        await asyncio.gather(*(t for t in self.tasks if t is not asyncio.current_task()), return_exceptions=True)
        await self.client.close()
        await self.transport.close()
