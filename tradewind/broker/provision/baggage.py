"""How much a task takes along, told in the timeline before it is copied, so that nobody wonders what a long upload waits for."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import msgspec

from tradewind.broker.provider import LeaveOut
from tradewind.broker.provision.ignore_files import leaving_out
from tradewind.broker.provision.services import Services
from tradewind.broker.store.records import ClusterRow
from tradewind.spec.task import Task

WORTH_TELLING_BYTES, WORTH_TELLING_FILES = 1_000_000, 200
KIND = "copying files"


class Baggage(msgspec.Struct, frozen=True):
    """Regular files, and their bytes, that go to each node; what was copied before and has not changed is looked at only."""

    files: int = 0
    size_bytes: int = 0

    @property
    def is_worth_telling(self) -> bool:
        """Whether copying it may take a moment."""
        return self.size_bytes >= WORTH_TELLING_BYTES or self.files >= WORTH_TELLING_FILES


def weigh(task: Task) -> Baggage:
    """What the task's local work directory and mounts hold now, without what ignore files name. Blocks."""
    found = Baggage()
    sources: list[tuple[str, LeaveOut | None]] = [(mount.source, None) for mount in task.file_mounts]
    if task.workdir is not None:
        sources.append((task.workdir, leaving_out(task.workdir)))
    for source, leave_out in sources:
        for size in _sizes(source, "", leave_out):
            found = Baggage(found.files + 1, found.size_bytes + size)
    return found


def _sizes(path: str, prefix: str, leave_out: LeaveOut | None) -> Iterator[int]:
    try:
        if not os.path.isdir(path):
            yield os.stat(path).st_size
            return
        with os.scandir(path) as entries:
            for entry in entries:
                is_directory = entry.is_dir(follow_symlinks=False)
                name = prefix + entry.name
                if leave_out is not None and leave_out(name, is_directory):
                    continue
                if is_directory:
                    yield from _sizes(entry.path, f"{name}/", leave_out)
                elif entry.is_file(follow_symlinks=False):
                    yield entry.stat(follow_symlinks=False).st_size
    except OSError:
        return  # the copy itself will say what is wrong


async def announce(services: Services, cluster: ClusterRow, task: Task, cause: str) -> None:
    """The cluster's timeline says what is being copied, if that may take a moment."""
    if task.workdir is None and not task.file_mounts:
        return
    found = await asyncio.to_thread(weigh, task)
    if not found.is_worth_telling:
        return
    data = {"files": found.files, "bytes": found.size_bytes, "nodes": cluster.task.num_nodes}
    await services.apply(
        lambda ledger: ledger.record(
            cluster.subject, KIND, cause, data, cluster_id=cluster.id, managed_job_id=cluster.managed_job_id
        )
    )
