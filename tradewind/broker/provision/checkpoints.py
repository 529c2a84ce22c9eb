"""A job's checkpoints on their way: from the instance to this machine's store and on to the place that the task names, and back before it runs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import TypeVar

from tradewind.broker.bucket import BucketError
from tradewind.broker.provision import bucket_mirror, relay
from tradewind.broker.provision.node import Node
from tradewind.broker.provision.services import Services, log
from tradewind.broker.store import rows
from tradewind.broker.store.records import JobRow

T = TypeVar("T")
PAUSES_S = (1.0, 4.0)  # a bucket that fails is asked again after these


async def bring_here(node: Node, job: JobRow) -> None:
    """What the rank's agent has kept lies in the job's store. Raises ProviderError or RelayError when it does not."""
    if relay.is_relayed(job.checkpoint_uri, node.row.provider):
        async with node.relaying:
            await relay.pull(node.transport, job.checkpoint_uri, node.rank)


async def keep_there(services: Services, job: JobRow, rank: int) -> str:
    """What the job's store here has stands at the place that the task names too; else a sentence that says why not."""
    uri = _place(services, job)
    if uri is None:
        return ""
    here, under = _here(job, rank), f"rank-{rank}"
    try:
        await _patiently(lambda: bucket_mirror.push(services.places.get(uri), here, under))
    except (BucketError, OSError) as error:
        log.error("a checkpoint of %s is here but not at its place: %s", job.key, error)
        return str(error)
    return ""


async def take_there(services: Services, node: Node, job: JobRow) -> str:
    """The store that the rank's agent restores from, with the newest that the task's place and this machine have; its URI as the agent knows it.

    Raises BucketError when the place cannot be asked and nothing is here, ProviderError when the instance cannot be reached.
    """
    if not job.checkpoint_uri:
        return ""
    uri = _place(services, job)
    if uri is not None:
        here, under = _here(job, node.rank), f"rank-{node.rank}"
        try:
            await _patiently(lambda: bucket_mirror.pull(services.places.get(uri), here, under))
        except (BucketError, OSError) as error:
            if not await asyncio.to_thread(os.path.exists, here):
                raise BucketError(
                    f"the checkpoints at {uri} cannot be asked for, and it may not start over: {error}"
                ) from error
            log.warning("job %s goes on from the checkpoints here: %s", job.key, error)
    if not relay.is_relayed(job.checkpoint_uri, node.row.provider):
        return job.checkpoint_uri
    await relay.push(node.transport, job.checkpoint_uri, node.rank)
    return relay.store_on_instance(node.transport.home, job.checkpoint_uri)


def _place(services: Services, job: JobRow) -> str | None:
    """Where the task wants its checkpoints. A rehearsal touches nothing outside this machine."""
    if job.task.checkpoint is None or job.managed_job_id is None:
        return None
    owner = job.managed_job_id
    row = services.store.read(lambda c: rows.managed_job(c, owner))
    return None if row is None or row.rehearse else job.task.checkpoint


def _here(job: JobRow, rank: int) -> str:
    return os.path.join(relay.local_path(job.checkpoint_uri), f"rank-{rank}")


async def _patiently(call: Callable[[], T]) -> T:
    for pause in PAUSES_S:
        try:
            return await asyncio.to_thread(call)
        except BucketError as error:
            log.info("%s; trying again in %.0f s", error, pause)
            await asyncio.sleep(pause)
    return await asyncio.to_thread(call)
