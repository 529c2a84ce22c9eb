"""Credentials inside a start-up message, so that the daemons' modules need not load TLS and cryptography when there is one node only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from tradewind.runtime.credentials import ClusterCredentials


class CredentialBytes(msgspec.Struct, frozen=True):
    """What `ClusterCredentials.to_bytes` wrote."""

    data: bytes

    def restore(self) -> ClusterCredentials:
        """The credentials."""
        from tradewind.runtime.credentials import ClusterCredentials

        return ClusterCredentials.from_bytes(self.data)

    def __repr__(self) -> str:
        return "CredentialBytes(...)"
