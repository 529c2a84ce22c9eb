"""Secrets at rest: sealed with AES-256-GCM under a key in a file of its own beside the record, never in the record.

Each value is bound to its job and name, so that a row copied elsewhere does not open. The key is made on first use (0600).
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, insert, select

from tradewind.broker.store import schema

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_FILE = "secrets.key"
_KEY_BYTES = 32
_NONCE_BYTES = 12  # NIST SP 800-38D, 8.2.2: random, 96 bits
_table = schema.secrets


class SecretsUnreadable(Exception):  # noqa: N818  the name says what is the case
    """Secrets cannot be opened or kept; one sentence."""


class Vault:
    """Seals and opens secrets of one data directory."""

    def __init__(self, data_dir: str) -> None:
        self._path = os.path.join(data_dir, KEY_FILE)
        self._cipher: AESGCM | None = None

    def put(self, connection: Connection, job_id: int, values: Mapping[str, str]) -> None:
        """The job's secrets are kept, replacing any of these names."""
        for name, value in values.items():
            nonce = secrets.token_bytes(_NONCE_BYTES)
            sealed = nonce + self._opened(make=True).encrypt(nonce, value.encode(), _bound_to(job_id, name))
            connection.execute(delete(_table).where(_table.c.managed_job_id == job_id, _table.c.name == name))
            connection.execute(insert(_table).values(managed_job_id=job_id, name=name, sealed=sealed))

    def get(self, connection: Connection, job_id: int) -> dict[str, str]:
        """The job's secrets in clear.

        Raises:
            SecretsUnreadable: the key is missing or another, or a row was changed.
        """
        query = select(_table.c.name, _table.c.sealed).where(_table.c.managed_job_id == job_id)
        return {row.name: self._open(job_id, row.name, row.sealed) for row in connection.execute(query)}

    def _open(self, job_id: int, name: str, sealed: bytes) -> str:
        from cryptography.exceptions import InvalidTag

        nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return self._opened(make=False).decrypt(nonce, rest, _bound_to(job_id, name)).decode()
        except InvalidTag:
            raise SecretsUnreadable(
                f"the secret {name} of managed job {job_id} does not open with {self._path}; submit the job again with it"
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
    """Nothing of the job's secrets is in the record any more."""
    connection.execute(delete(_table).where(_table.c.managed_job_id == job_id))


def _bound_to(job_id: int, name: str) -> bytes:
    return f"{job_id}/{name}".encode()
