"""The seam to wherever checkpoints are kept."""

from __future__ import annotations

from typing import Protocol
from urllib.parse import unquote, urlsplit

import msgspec

from tradewind.agent.checkpoints.entries import Entry


class StoreError(Exception):
    """A store cannot be used, or failed: one sentence."""


class Restoration(msgspec.Struct, frozen=True):
    """What came back: names of the restored entries, the newest one's name, and a sentence for each copy that was damaged."""

    names: tuple[str, ...]
    newest: str
    damaged: tuple[str, ...]


class CheckpointStore(Protocol):
    """One rank's checkpoints outside the instance. Methods block; each leaves the store whole however it is interrupted."""

    def keep(self, entry: Entry, source: str) -> bool:
        """Copy the entry from `source`; False, and nothing kept, if it changed while it was read. Raises StoreError."""

    def forget(self, name: str) -> None:
        """The job removed this entry: drop it, unless it is among the newest that a damaged one would fall back to."""

    def restore(self, directory: str) -> Restoration:
        """Put the newest good copy of every entry into `directory`, each verified and renamed into place. Raises StoreError."""


def open_store(uri: str, rank: int) -> CheckpointStore:
    """The store that `uri` names, for one rank. Raises StoreError for one that this version cannot reach."""
    parts = urlsplit(uri)
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path.startswith("/"):
        from tradewind.agent.checkpoints.file_store import FileStore

        return FileStore(f"{unquote(parts.path).rstrip('/')}/rank-{rank}")
    raise StoreError(f"checkpoints cannot be kept at {uri}: this version knows file:///absolute/path only")
