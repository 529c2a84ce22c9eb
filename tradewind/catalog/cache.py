"""Where a catalog's index lies: one file a content digest in the user's cache, made once, safe with many processes at the same moment."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from urllib.parse import quote

from tradewind.catalog.database import SCHEMA_VERSION, fill, is_whole
from tradewind.catalog.tables import Tables

_KEPT_FILES = 6
_ABANDONED_AFTER_S = 600.0
_LOCK_WAIT_S = 20.0  # ten times a build on a slow machine; then this process builds its own copy rather than wait for a stopped one


def cache_directory() -> str | None:
    """The user's cache for this program (XDG_CACHE_HOME, else ~/.cache), or None where there is no home."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "tradewind") if os.path.isabs(base) else None


def open_database(digest: str, tables: Callable[[], Tables], *, rebuild: bool = False) -> sqlite3.Connection:
    """A read-only connection to the index of the catalog `digest`, which `tables` gives when the index must be made.

    A damaged file is replaced (`rebuild` distrusts it from the start). Where the cache cannot be written the index is made in memory.
    """
    directory = cache_directory()
    if directory is None:
        return _in_memory(digest, tables)
    path = os.path.join(directory, f"catalog-{SCHEMA_VERSION}-{digest[:24]}.sqlite")
    connection = None if rebuild else _open(path, digest)
    if connection is not None:
        return connection
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        with _locked(path + ".lock"):
            connection = None if rebuild else _open(path, digest)
            if connection is None:
                _make(path, digest, tables)
                connection = _open(path, digest)
    except (OSError, sqlite3.Error):  # read-only, full, or not ours: planning must work all the same
        connection = None
    return connection or _in_memory(digest, tables)


def _open(path: str, digest: str) -> sqlite3.Connection | None:
    """The file at `path` if it is whole and belongs to this user (or root); None otherwise."""
    try:
        found = os.stat(path)
        if found.st_uid not in {0, os.geteuid()}:
            return None
        connection = sqlite3.connect(
            f"file:{quote(path)}?mode=ro&immutable=1", uri=True, isolation_level=None, check_same_thread=False
        )
    except (OSError, sqlite3.Error):
        return None
    if is_whole(connection, digest, found.st_size):
        return connection
    connection.close()
    return None


def _make(path: str, digest: str, tables: Callable[[], Tables]) -> None:
    temporary = f"{path}.{os.getpid()}.{time.monotonic_ns()}.tmp"
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        with contextlib.closing(sqlite3.connect(temporary, isolation_level=None)) as connection:
            fill(connection, tables(), digest)
        descriptor = os.open(temporary, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
    _prune(os.path.dirname(path), keep=path)


def _in_memory(digest: str, tables: Callable[[], Tables]) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    try:
        fill(connection, tables(), digest)
    except BaseException:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def _locked(path: str) -> Iterator[None]:
    """Hold the lock file while building, so that one process of many does the work; never waits for ever."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + _LOCK_WAIT_S
        while time.monotonic() < deadline:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.02)
            except OSError:
                break  # a file system without locks: the rename is atomic, so two builders do no harm
        yield
    finally:
        os.close(descriptor)


def _prune(directory: str, *, keep: str) -> None:
    """Remove indexes of catalogs long replaced, and what killed builders left. Readers keep the files they have open."""
    with contextlib.suppress(OSError):
        entries = [entry for entry in os.scandir(directory) if entry.name.startswith("catalog-")]
        now = time.time()
        for entry in entries:
            if entry.name.endswith(".tmp") and now - entry.stat().st_mtime > _ABANDONED_AFTER_S:
                os.unlink(entry.path)
        files = [entry for entry in entries if entry.name.endswith(".sqlite") and entry.path != keep]
        files.sort(key=lambda entry: entry.stat().st_mtime, reverse=True)
        for entry in files[_KEPT_FILES:]:
            os.unlink(entry.path)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(entry.path + ".lock")
