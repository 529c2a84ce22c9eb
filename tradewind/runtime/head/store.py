"""The head's durable record: what must survive its death, in SQLite. Writes are grouped: one commit a turn of the loop."""

from __future__ import annotations

import os
import sqlite3

_SCHEMA = """
CREATE TABLE IF NOT EXISTS record (kind TEXT NOT NULL, key TEXT NOT NULL, data BLOB NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID;
"""


class RecordStore:
    """Rows by kind and key."""

    def __init__(self, path: str) -> None:
        """Opens or creates the file, readable by its owner only; ":memory:" keeps nothing."""
        if path != ":memory:":
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.executescript(_SCHEMA)
        self._open = False

    def save(self, kind: str, key: str, data: bytes | None) -> None:
        """The row is written, or deleted for None, with the next commit."""
        if not self._open:
            self._connection.execute("BEGIN IMMEDIATE")
            self._open = True
        if data is None:
            self._connection.execute("DELETE FROM record WHERE kind = ? AND key = ?", (kind, key))
        else:
            self._connection.execute("INSERT OR REPLACE INTO record VALUES (?, ?, ?)", (kind, key, data))

    def commit(self) -> None:
        """What was saved survives a crash."""
        if self._open:
            self._connection.execute("COMMIT")
            self._open = False

    def load(self, kind: str) -> dict[str, bytes]:
        """Every row of the kind."""
        return dict(self._connection.execute("SELECT key, data FROM record WHERE kind = ?", (kind,)))

    def close(self) -> None:
        """Committed and closed."""
        self.commit()
        self._connection.close()
