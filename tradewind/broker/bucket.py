"""The seam to wherever a person keeps checkpoints of their own: a directory, a bucket, a server. Names are paths below the URI, with "/"."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class BucketError(Exception):
    """The place cannot be used, or a call to it failed: one sentence that names it, why, and what to do."""


class Bucket(Protocol):
    """One place. Methods block and raise BucketError; each may be called again with the same arguments."""

    def read(self, name: str) -> bytes | None:
        """What stands there, None where nothing does."""

    def write(self, name: str, data: bytes) -> None:
        """`data` stands there, the whole of it from one moment to the next."""

    def upload(self, source: str, name: str) -> None:
        """The local file's content stands there. Raises FileNotFoundError when the local file is gone."""

    def download(self, name: str, target: str) -> bool:
        """The content stands in the local file `target`; False where there is none."""

    def names(self, under: str) -> list[str]:
        """Everything that stands below `under`."""

    def remove(self, names: Iterable[str]) -> None:
        """Nothing stands there."""

    def close(self) -> None:
        """Its connections are gone."""
