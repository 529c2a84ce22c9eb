"""The record's shell: one writer thread that commits in groups, readers beside it, and a fencing token in every write.

Writers hand functions over; those that wait at the same moment share one commit (each in its own savepoint, so that one's failure undoes
only its own), because with `synchronous=FULL` a commit costs a flush of the disk and a row costs microseconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, select, text

from tradewind.broker.store import directory, migration, schema
from tradewind.broker.store.errors import DataDirectoryError, StaleWriter, StoreError

T = TypeVar("T")
Work = tuple[Callable[[Connection], Any], "Future[Any]"]
FILE_NAME = "record.sqlite"
BUSY_S = 4.0  # only a stranger's program holds the record: shorter than a command waits for its daemon
MAX_GROUP = 256
# what SQLite says of what is not the record's fault (sqlite.org/rescode.html: SQLITE_BUSY, SQLITE_FULL, SQLITE_READONLY) -> what to do
_MEND = {
    "locked": "another program holds it; end that one and try again",
    "full": "make room on that disk",
    "readonly": "make the data directory writable, or set TRADEWIND_DATA_DIR to another",
    "disk I/O error": "look at that disk, and at its free space",
    "unable to open": "look at that disk, and at its free space",
}


def _engine(path: str, *, writer: bool) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}",
        connect_args={"check_same_thread": False, "isolation_level": None, "timeout": BUSY_S},
        pool_size=1 if writer else 4,
        hide_parameters=True,  # rows hold people's environments: no error text may quote them
    )

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA busy_timeout={BUSY_S * 1000:.0f}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")

    return engine


def _apart(connection: Connection, work: Callable[[Connection], T]) -> T:
    """What `work` returns; if it raises, its own writes are undone and those of its neighbours in the transaction stay."""
    connection.exec_driver_sql("SAVEPOINT apart")
    try:
        value = work(connection)
    except BaseException:
        if _is_open(connection):
            connection.exec_driver_sql("ROLLBACK TO apart")
            connection.exec_driver_sql("RELEASE apart")
        raise
    connection.exec_driver_sql("RELEASE apart")
    return value


def _is_open(connection: Connection) -> bool:
    """Whether the transaction is still there: some errors make SQLite roll all of it back (sqlite.org/lang_transaction.html)."""
    raw: Any = connection.connection.dbapi_connection
    return bool(raw.in_transaction)


class Store:
    """The open record of one data directory. `token` is greater than that of every daemon before this one; `owner` names the directory in
    tags, for good. `on_superseded` is called, from whatever thread finds it out, when another daemon has taken the record over.
    """

    def __init__(self, data_dir: str) -> None:
        """Take the directory.

        Raises:
            DataDirectoryError: it cannot hold the record.
            DataDirectoryBusy: another daemon holds it.
        """
        self.data_dir = directory.prepare(data_dir)
        self._lock: int | None = directory.lock(self.data_dir)
        path = os.path.join(self.data_dir, FILE_NAME)
        self._writer = _engine(path, writer=True)
        self._readers = _engine(path, writer=False)
        self._queue: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._listeners: list[Callable[[], None]] = []
        self.on_superseded: Callable[[StaleWriter], None] = lambda _error: None
        self._closed = False
        try:
            self.token = self._take_over()
            os.chmod(path, 0o600)
        except BaseException:
            self._dispose()
            raise
        self._thread = threading.Thread(target=self._write_loop, name="tradewind-store", daemon=True)
        self._thread.start()

    def _take_over(self) -> int:
        try:
            with self._writer.begin() as connection:
                schema.metadata.create_all(connection)
                found = connection.execute(select(schema.meta.c.key, schema.meta.c.value))
                values = {str(row.key): int(row.value) for row in found}
                version = values.get("schema", schema.SCHEMA_VERSION)
                if version < schema.SCHEMA_VERSION:
                    migration.upgrade(connection)
                elif version > schema.SCHEMA_VERSION:
                    raise DataDirectoryError(
                        self.data_dir,
                        f"was written by a newer version of tradewind (schema {version}, this one reads {schema.SCHEMA_VERSION}); "
                        "upgrade tradewind or set TRADEWIND_DATA_DIR to a new place",
                    )
                token = values.get("fence", 0) + 1
                self.owner = f"{values.get('owner') or secrets.randbits(62):016x}"
                for key, value in (("schema", schema.SCHEMA_VERSION), ("fence", token), ("owner", int(self.owner, 16))):
                    connection.execute(
                        text(
                            "INSERT INTO meta (key, value) VALUES (:k, :v) ON CONFLICT (key) DO UPDATE SET value = :v"
                        ),
                        {"k": key, "v": value},
                    )
        except StoreError:
            raise
        except Exception as error:
            said = str(getattr(error, "orig", error)).partition("\n")[0]
            mend = _MEND.get(next((word for word in _MEND if word in said), ""), "move it away to start anew")
            message = f"{FILE_NAME} cannot be used: {said}; {mend}"
            raise DataDirectoryError(self.data_dir, message) from error
        return token

    # -- writing ----------------------------------------------------------------------------------------------------------------------

    async def transact(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns, after its transaction is on disk. Whatever it raises is raised here and undoes its writes.

        Raises:
            StaleWriter: another daemon has taken over; nothing was written.
        """
        # A caller that is cancelled while it waits leaves a write that still happens: like a process that dies after the commit.
        return await asyncio.wrap_future(self._submit(work))

    def write(self, work: Callable[[Connection], T]) -> T:
        """Like `transact`, for callers without a loop."""
        return self._submit(work).result()

    def _submit(self, work: Callable[[Connection], T]) -> Future[T]:
        future: Future[T] = Future()
        if self._closed:
            future.set_exception(StoreError(self.data_dir, "the record is closed"))
            return future
        future.set_running_or_notify_cancel()  # from here on nobody can cancel it
        self._queue.put((work, future))
        return future

    def _write_loop(self) -> None:
        while True:
            group: list[Work] = []
            item = self._queue.get()
            while item is not None:
                group.append(item)
                if len(group) == MAX_GROUP:
                    break
                try:
                    item = self._queue.get_nowait()
                except queue.Empty:
                    break
            if group:
                self._commit(group)
            if item is None:
                return

    def _commit(self, group: list[Work]) -> None:
        outcomes: list[tuple[Future[Any], Any, BaseException | None]] = []
        try:
            with self._writer.begin() as connection:
                self._check(connection)
                for work, future in group:
                    try:
                        outcomes.append((future, _apart(connection, work), None))
                    except Exception as error:
                        if not _is_open(connection):
                            raise  # SQLite has undone the whole group: a full disk, an I/O error
                        outcomes.append((future, None, error))
        except Exception as error:
            if isinstance(error, StaleWriter):
                self.on_superseded(error)
            outcomes = [(future, None, error) for _, future in group]
        for future, value, raised in outcomes:
            if raised is None:
                future.set_result(value)
            else:
                future.set_exception(raised)
        for listener in list(self._listeners):
            listener()

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` (from the writer's thread) after every commit; returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def check(self) -> None:
        """Nothing, while no other daemon has taken the record over: asked right before what cannot be undone, a purchase above all.

        Raises:
            StaleWriter: one has.
        """
        try:
            self.read(self._check)
        except StaleWriter as error:
            self.on_superseded(error)
            raise

    def _check(self, connection: Connection) -> None:
        fence = connection.execute(select(schema.meta.c.value).where(schema.meta.c.key == "fence")).scalar_one()
        if fence != self.token:
            raise StaleWriter(self.data_dir, f"daemon {self.token} was superseded by daemon {fence}")

    # -- reading ----------------------------------------------------------------------------------------------------------------------

    def read(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns over one consistent snapshot of everything committed."""
        with self._readers.connect() as connection, connection.begin():
            return work(connection)

    # -- the end ----------------------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Finish what was handed over and give the directory back."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        self._thread.join()
        self._dispose()

    def _dispose(self) -> None:
        self._writer.dispose()
        self._readers.dispose()
        if self._lock is not None:
            with contextlib.suppress(OSError):
                os.close(self._lock)
            self._lock = None
