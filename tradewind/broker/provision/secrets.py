"""The secrets of a job on their way to its nodes, and the stars over them in what comes back."""

from __future__ import annotations

from sqlalchemy import Connection

from tradewind.broker.jobs.redaction import Redactor
from tradewind.broker.provision.services import Services
from tradewind.broker.store import rows
from tradewind.broker.store.records import JobRow
from tradewind.broker.store.vault import SecretsUnreadable


def secrets_of(services: Services, connection: Connection, job: JobRow | None) -> dict[str, str]:
    """The values in clear, by name; to be held no longer than the order that carries them.

    Raises:
        SecretsUnreadable: they cannot be opened.
    """
    if job is None or not job.task.secrets:
        return {}
    own = (job.cluster_id, job.id) if job.managed_job_id is None else job.managed_job_id
    return services.vault.get(connection, own)


def redactor(services: Services, job: JobRow) -> Redactor:
    """What stars the job's secrets out of one node's output."""
    try:
        return Redactor(services.store.read(lambda c: secrets_of(services, c, job)).values())
    except SecretsUnreadable:
        return Redactor(())  # then no program was ever given them


def starred(services: Services, connection: Connection, key: tuple[int, int], text: str) -> str:
    """A program's last output as the record may hold it."""
    try:
        values = secrets_of(services, connection, rows.job(connection, *key)).values()
    except SecretsUnreadable:
        return text
    return Redactor(values).text(text)
