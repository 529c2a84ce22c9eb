"""Secrets at rest: sealed with AES-256-GCM under a key in a file of its own beside the record, never in the record.

Each value is bound to its job and name, so that a row copied elsewhere does not open. The key is made on first use (0600).
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Table, delete, insert, select

from tradewind.broker.store import schema

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_FILE = "secrets.key"
_KEY_BYTES = 32
_NONCE_BYTES = 12  # NIST SP 800-38D, 8.2.2: random, 96 bits
Owner = int | tuple[int, int]  # a managed job's number; or a cluster's, and that of a job on it


class SecretsUnreadable(Exception):  # noqa: N818  the name says what is the case
    """Secrets cannot be opened or kept; one sentence."""


class Vault:
    """Seals and opens secrets of one data directory."""

    def __init__(self, data_dir: str) -> None:
        self._path = os.path.join(data_dir, KEY_FILE)
        self._cipher: AESGCM | None = None

    def put(self, connection: Connection, owner: Owner, values: Mapping[str, str]) -> None:
        """The job's secrets are kept, replacing any of these names."""
        table, key = _rows_of(owner)
        for name, value in values.items():
            nonce = secrets.token_bytes(_NONCE_BYTES)
            sealed = nonce + self._opened(make=True).encrypt(nonce, value.encode(), _bound_to(owner, name))
            connection.execute(delete(table).filter_by(**key, name=name))
            connection.execute(insert(table).values(**key, name=name, sealed=sealed))

    def get(self, connection: Connection, owner: Owner) -> dict[str, str]:
        """The job's secrets in clear.

        Raises:
            SecretsUnreadable: the key is missing or another, or a row was changed.
        """
        table, key = _rows_of(owner)
        query = select(table.c.name, table.c.sealed).filter_by(**key)
        return {row.name: self._open(owner, row.name, row.sealed) for row in connection.execute(query)}

    def _open(self, owner: Owner, name: str, sealed: bytes) -> str:
        from cryptography.exceptions import InvalidTag

        nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return self._opened(make=False).decrypt(nonce, rest, _bound_to(owner, name)).decode()
        except InvalidTag:
            raise SecretsUnreadable(
                f"the secret {name} of {_said(owner)} does not open with {self._path}; submit the job again with it"
            ) from None

    def _opened(self, *, make: bool) -> AESGCM:
        if self._cipher is None:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            self._cipher = AESGCM(self._key(make=make))
        return self._cipher

    def _key(self, *, make: bool) -> bytes:
        if make:
            self._make()
        try:
            with open(self._path, "rb") as file:
                status = os.fstat(file.fileno())
                key = file.read()
        except OSError as error:
            raise SecretsUnreadable(f"{self._path}: the key of the secrets cannot be read: {error.strerror}") from error
        if len(key) != _KEY_BYTES or status.st_uid != os.getuid() or status.st_mode & 0o077:
            raise SecretsUnreadable(f"{self._path} is no key of yours alone ({_KEY_BYTES} bytes, mode 0600)")
        return key

    def _make(self) -> None:
        """The file is there, whole or not at all: a key that lost its end would lose every secret."""
        if os.path.exists(self._path):
            return
        draft = f"{self._path}.new"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        os.rename(draft, self._path)


def forget(connection: Connection, job_id: int) -> None:
    """Nothing of the managed job's secrets is in the record any more."""
    connection.execute(delete(schema.secrets).where(schema.secrets.c.managed_job_id == job_id))


def forget_cluster(connection: Connection, cluster_id: int) -> None:
    """Nothing of the secrets of the cluster's jobs is in the record any more."""
    connection.execute(delete(schema.cluster_secrets).where(schema.cluster_secrets.c.cluster_id == cluster_id))


def _rows_of(owner: Owner) -> tuple[Table, dict[str, int]]:
    if isinstance(owner, int):
        return schema.secrets, {"managed_job_id": owner}
    return schema.cluster_secrets, {"cluster_id": owner[0], "job_id": owner[1]}


def _said(owner: Owner) -> str:
    return f"managed job {owner}" if isinstance(owner, int) else f"job {owner[1]}"


def _bound_to(owner: Owner, name: str) -> bytes:
    whose = str(owner) if isinstance(owner, int) else f"{owner[0]}-{owner[1]}"
    return f"{whose}/{name}".encode()
