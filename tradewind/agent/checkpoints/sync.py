"""Keeping a store in step with a job's checkpoint directory."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable

from tradewind.agent.checkpoints.entries import Entry, scan, was_renamed_here
from tradewind.agent.checkpoints.store import CheckpointStore, StoreError

# Two looks see an entry unchanged before it is copied, so that a file written in place, without a rename, is not taken half-way.
LOOK_EVERY_S = 0.2


class CheckpointSync:
    """Copies what is new or changed in `directory` to the store, one entry at a time, and says so by `synced(name, bytes)`."""

    def __init__(
        self,
        directory: str,
        store: CheckpointStore,
        *,
        synced: Callable[[str, int], None],
        failed: Callable[[str], None],
    ) -> None:
        self._directory = directory
        self._store = store
        self._synced = synced
        self._failed = failed
        self._kept: dict[str, Entry] = {}
        self._seen: dict[str, Entry] = {}
        self._said = ""
        self._one_at_a_time = asyncio.Lock()
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self, kept: dict[str, Entry]) -> None:
        """Look at the directory until `stop`. `kept` are entries that the store already has."""
        self._kept = dict(kept)
        self._task = asyncio.create_task(self._run(), name=f"checkpoints of {self._directory}")

    async def sync_now(self, *, settled: bool = False) -> None:
        """Copy every file that was renamed into place and every entry that two looks have seen unchanged; with `settled`, when nothing writes any
        more, every one. Raises StoreError.
        """
        async with self._one_at_a_time:
            entries = await asyncio.to_thread(scan, self._directory)
            for name in sorted(self._kept.keys() - entries.keys()):
                await asyncio.to_thread(self._store.forget, name)
                del self._kept[name]
            for name, entry in sorted(entries.items(), key=lambda item: item[1].newest_ns):
                path = os.path.join(self._directory, name)
                whole = settled or self._seen.get(name) == entry or was_renamed_here(entry, path)
                if self._kept.get(name) == entry or not whole:
                    continue
                if await asyncio.to_thread(self._store.keep, entry, path):
                    self._kept[name] = entry
                    self._synced(name, entry.bytes)
            self._seen = entries

    async def sync_complete(self) -> None:
        """Copy every entry that is complete now, while the job may be writing others: two looks. Raises StoreError."""
        await self.sync_now()
        await asyncio.sleep(LOOK_EVERY_S)
        await self.sync_now()

    async def stop(self) -> None:
        """Stop looking, once the copy under way is done: a thread that copies cannot be cancelled."""
        self._stopping.set()
        if self._task is not None:
            await self._task
            self._task = None

    async def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                await self.sync_now()
                self._said = ""
            except StoreError as error:
                if str(error) != self._said:  # once, not five times a second
                    self._said = str(error)
                    self._failed(self._said)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):  # not wait_for: in 3.11 it may swallow a cancellation
                    await self._stopping.wait()
