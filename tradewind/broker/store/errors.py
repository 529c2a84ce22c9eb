"""What can be wrong with a data directory, by who must act.

StoreError
    DataDirectoryError   the person: another place, other permissions, a newer program
    DataDirectoryBusy    another daemon holds it: talk to that one
    StaleWriter          this daemon was superseded: it must stop writing
"""

from __future__ import annotations


class StoreError(Exception):
    """The record cannot be used. `path` is the data directory."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(path, message)
        self.path, self.message = path, message

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class DataDirectoryError(StoreError):
    """The directory cannot hold the record, and the message says what would mend it."""


class DataDirectoryBusy(StoreError):  # noqa: N818  the name says what is the case
    """Another daemon holds the directory's lock."""


class StaleWriter(StoreError):  # noqa: N818  the name says what is the case
    """A newer daemon has taken the directory over; nothing was written."""
