"""Machines that are lent and not bought, and that answer no more: nobody but they could say whether they run, so that their lease has to tell.

An agent whose lease has run out ends the program, so that from then on nothing of the job runs there, dead or cut off, and it may go on elsewhere.
"""

from __future__ import annotations

import time

from tradewind.broker.capabilities import Lending
from tradewind.broker.provision.services import Services
from tradewind.broker.store import rows
from tradewind.broker.store.ledger import Ledger
from tradewind.broker.store.records import InstanceRow

MARGIN_S = 120.0  # for an agent to end its program, and for two clocks that differ


def _until(services: Services, row: InstanceRow) -> float:
    known = services.store.read(lambda c: rows.instance(c, row.id))
    return (known or row).lease_until_unix + MARGIN_S


def is_lent(services: Services, row: InstanceRow) -> bool:
    """Whether only the machine itself could say that it runs."""
    return isinstance(services.providers[row.provider], Lending)


def has_lapsed(services: Services, row: InstanceRow) -> bool:
    """Whether nothing of the job runs on the machine any more, although nobody hears of it."""
    return is_lent(services, row) and services.now() > _until(services, row)


async def write_off(services: Services, row: InstanceRow) -> None:
    """Nothing waits for the machine any more: whoever takes it next clears what is left there."""
    provider = services.providers[row.provider]
    if isinstance(provider, Lending):
        await provider.write_off(row.provider_id)


async def say(services: Services, row: InstanceRow) -> str:
    """What the cluster, and its managed job, are told to wait for now; "" where the machine's cloud will know better soon."""
    if not is_lent(services, row):
        return ""
    name = row.provider_id.partition("/")[0] or row.id
    until = time.strftime("%H:%M", time.localtime(_until(services, row)))
    told = f"{name} to answer, which is out of reach; if it does not until {until}, when its lease has run out, it is given up"
    await _write(services, row, told, instead_of=None)
    return told


async def unsay(services: Services, row: InstanceRow, told: str) -> None:
    """Nothing waits for the machine, unless something else has come to be waited for."""
    if told:
        await _write(services, row, "", instead_of=told)


async def _write(services: Services, row: InstanceRow, told: str, *, instead_of: str | None) -> None:
    def write(ledger: Ledger) -> None:
        cluster = rows.cluster(ledger.connection, row.cluster_id)
        if cluster is None:
            return
        if instead_of in {None, cluster.waiting_for}:
            rows.update_cluster(ledger.connection, cluster.id, waiting_for=told)
        job = None if cluster.managed_job_id is None else rows.managed_job(ledger.connection, cluster.managed_job_id)
        if job is not None and job.cluster_id == cluster.id and instead_of in {None, job.waiting_for}:
            rows.update_managed_job(ledger.connection, job.id, waiting_for=told)

    await services.apply(write)
