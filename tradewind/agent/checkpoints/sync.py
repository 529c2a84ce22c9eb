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
# A file that is renamed into place changes its directory at once, which a glance shows: what is lost with the machine is what was written since.
GLANCE_EVERY_S = 0.02


class CheckpointSync:
    """Copies what is new or changed in `directory` to the store, one entry at a time, and says so by `synced(name, bytes)`.

    Why the store could not take one is told by `failed(why)` until it answers that it was heard: where a disk is full, so may be the log's.
    """

    def __init__(
        self,
        directory: str,
        store: CheckpointStore,
        *,
        synced: Callable[[str, int], None],
        failed: Callable[[str], bool],
    ) -> None:
        self._directory = directory
        self._store = store
        self._synced = synced
        self._failed = failed
        self._kept: dict[str, Entry] = {}
        self._seen: dict[str, Entry] = {}
        self._said = ""
        self._looked_ns = 0
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
            self._looked_ns = _changed_ns(
                self._directory
            )  # before the look: what is renamed meanwhile is seen by the next
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

    async def sync_renamed(self) -> None:
        """Copy every file that was renamed into place and not one that looks say is settled: its program may have been ended in the middle of
        writing it. Raises StoreError.
        """
        self._seen = {}
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
                if str(error) != self._said and self._failed(str(error)):  # once, not five times a second
                    self._said = str(error)
            await self._until_due()

    async def _until_due(self) -> None:
        """Return when it is time for a look: something was renamed, or LOOK_EVERY_S have passed, or `stop` was called."""
        loop = asyncio.get_running_loop()
        due, before = loop.time() + LOOK_EVERY_S, self._looked_ns
        while loop.time() < due and not self._stopping.is_set() and _changed_ns(self._directory) == before:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GLANCE_EVERY_S):  # not wait_for: in 3.11 it may swallow a cancellation
                    await self._stopping.wait()


def _changed_ns(directory: str) -> int:
    """When an entry was last made, renamed or removed there, as its file system tells."""
    try:
        return os.stat(directory).st_mtime_ns
    except OSError:
        return 0
