"""The record: whole transactions or none, one writer, fenced."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading

import pytest
from sqlalchemy import text

from tradewind.broker.store import rows
from tradewind.broker.store.database import FILE_NAME, Store
from tradewind.broker.store.errors import DataDirectoryBusy, DataDirectoryError, StaleWriter


@pytest.fixture
def store(tmp_path):
    opened = Store(str(tmp_path / "data"))
    yield opened
    opened.close()


def note(connection, word):
    rows.insert_event(connection, subject="s", unix=1.0, kind=word, cause="c", data={})


def kinds(store):
    return [event.kind for event in store.read(rows.events)]


def test_a_failed_transaction_leaves_nothing_and_its_neighbours_whole(store):
    """Writes that share a commit fail apart."""
    gate = threading.Event()

    def slow(connection):
        gate.wait(5)
        note(connection, "first")

    def broken(connection):
        note(connection, "half")
        raise KeyError("half-way")

    outcomes = [store._submit(slow), *(store._submit(w) for w in (broken, lambda c: note(c, "last")))]
    gate.set()
    assert outcomes[0].result(5) is None
    with pytest.raises(KeyError, match="half-way"):
        outcomes[1].result(5)
    outcomes[2].result(5)
    assert kinds(store) == ["first", "last"]


def test_when_sqlite_undoes_a_whole_group_all_of_it_is_told(store):
    """A full disk rolls everything back: nobody in the group may believe that it was written."""
    pages = store.write(lambda c: c.execute(text("PRAGMA page_count")).scalar_one())
    store.write(lambda c: c.execute(text(f"PRAGMA max_page_count = {pages}")))
    gate = threading.Event()

    def first(connection):
        gate.wait(5)
        note(connection, "small")

    group = [store._submit(w) for w in (first, lambda c: note(c, "x" * 200_000), lambda c: note(c, "after"))]
    gate.set()
    outcomes = [future.exception(5) for future in group]
    assert kinds(store) == [k for k, error in zip(("small", "x", "after"), outcomes, strict=True) if error is None]
    assert outcomes[1] is not None
    assert "full" in str(outcomes[1])


def test_what_is_committed_survives_sigkill(tmp_path):
    program = f"""
import os, signal
from tradewind.broker.store.database import Store
from tradewind.broker.store import rows
store = Store({str(tmp_path / "data")!r})
for n in range(20):
    store.write(lambda c: rows.insert_event(c, subject="s", unix=float(n), kind=str(n), cause="c", data={{}}))
    print(n, flush=True)
    if n == 10:
        os.kill(os.getpid(), signal.SIGKILL)
"""
    died = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert died.returncode == -9, died.stderr
    told = died.stdout.split()
    store = Store(str(tmp_path / "data"))
    try:
        assert kinds(store) == told
        assert store.token == 2
    finally:
        store.close()


def test_a_second_daemon_is_refused_while_the_first_lives(tmp_path, store):
    with pytest.raises(DataDirectoryBusy):
        Store(store.data_dir)


def test_a_late_write_of_a_superseded_daemon_is_refused(store):
    with sqlite3.connect(os.path.join(store.data_dir, FILE_NAME)) as outside:
        outside.execute("UPDATE meta SET value = value + 1 WHERE key = 'fence'")
    outside.close()
    with pytest.raises(StaleWriter, match="daemon 1 was superseded by daemon 2"):
        store.write(lambda c: note(c, "late"))
    assert kinds(store) == []


def test_readers_see_whole_transactions(store):
    def both(connection):
        note(connection, "a")
        note(connection, "b")

    seen = set()
    stop = threading.Event()

    def look():
        while not stop.is_set():
            seen.add(len(kinds(store)) % 2)

    reader = threading.Thread(target=look)
    reader.start()
    for _ in range(20):
        store.write(both)
    stop.set()
    reader.join()
    assert seen == {0}


def test_settings_that_make_a_commit_durable(store):
    def pragmas(connection):
        return {p: connection.execute(text(f"PRAGMA {p}")).scalar_one() for p in ("journal_mode", "synchronous")}

    assert store.write(pragmas) == {"journal_mode": "wal", "synchronous": 2}


def test_another_version_s_record_is_refused_in_one_sentence(tmp_path, store):
    store.write(lambda c: c.execute(text("UPDATE meta SET value = 99 WHERE key = 'schema'")))
    store.close()
    with pytest.raises(DataDirectoryError, match="written by a newer version of tradewind"):
        Store(store.data_dir)


def test_a_damaged_record_is_refused_in_one_sentence(tmp_path):
    path = tmp_path / "data"
    path.mkdir()
    (path / FILE_NAME).write_bytes(b"this is no database, and long enough to be looked at" * 40)
    with pytest.raises(DataDirectoryError, match="cannot be used: .* move it away"):
        Store(str(path))


def test_listeners_hear_of_every_commit(store):
    heard = []
    unlisten = store.listen(lambda: heard.append(1))
    store.write(lambda c: note(c, "a"))
    store.write(lambda c: note(c, "b"))
    store.read(lambda c: None)
    unlisten()
    store.write(lambda c: note(c, "c"))
    assert len(heard) == 2


def test_no_error_text_quotes_a_row(store):
    def insert(connection):
        job = {
            "name": "j",
            "state": "PENDING",
            "task": {"envs": "sesame"},
            "plan": {},
            "client_key": "k",
            "hourly_usd": 0.0,
        }
        rows.insert_managed_job(connection, **job, created_unix=0.0)

    store.write(insert)
    with pytest.raises(Exception, match="UNIQUE") as caught:
        store.write(insert)
    assert "sesame" not in str(caught.value)


def test_whoever_is_about_to_act_can_ask_whether_the_record_is_still_its_own(store):
    told = []
    store.on_superseded = told.append
    store.check()
    with sqlite3.connect(os.path.join(store.data_dir, FILE_NAME)) as outside:
        outside.execute("UPDATE meta SET value = value + 1 WHERE key = 'fence'")
    outside.close()
    with pytest.raises(StaleWriter, match="daemon 1 was superseded by daemon 2"):
        store.check()
    with pytest.raises(StaleWriter):
        store.write(lambda c: note(c, "late"))
    assert [type(error) for error in told] == [StaleWriter, StaleWriter]
