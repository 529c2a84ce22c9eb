"""A record of the version before is opened by this one with everything in it."""

from __future__ import annotations

from sqlalchemy import inspect, text

from tradewind.broker.store import migration, rows, schema
from tradewind.broker.store.database import Store

NEW_COLUMNS = {
    "course", "rehearse", "priority", "not_before_unix", "array_id", "array_index", "budget_usd", "warned", "waits_on", "successor_id", "share",
}  # fmt: skip


def make_old(connection):
    """What version 1 lacks, taken away."""
    for table in ("arrays", "secrets", "dependencies"):
        connection.execute(text(f"DROP TABLE {table}"))
    for index in ("queue", "load", "by_array", "by_name"):
        connection.execute(text(f"DROP INDEX managed_jobs_{index}"))
    for column in NEW_COLUMNS:
        connection.execute(text(f"ALTER TABLE managed_jobs DROP COLUMN {column}"))
    connection.execute(
        text(
            "INSERT INTO managed_jobs (name, state, attempt, recoveries, strategy, task, plan, hourly_usd, options, checkpoint_uri, "
            "created_unix, why, waiting_for) VALUES ('old', 'RUNNING', 2, 1, 'eager', '{}', '{}', 0.5, :options, 'file:///c', 1.0, '', '')"
        ),
        {"options": '{"rehearse":true}'},
    )
    connection.execute(text("UPDATE meta SET value = 1 WHERE key = 'schema'"))


def test_a_record_of_version_1_is_brought_here(tmp_path):
    store = Store(str(tmp_path))
    store.write(make_old)
    store.close()
    store = Store(str(tmp_path))
    try:
        row = store.read(lambda c: rows.managed_job(c, 1))
        assert row is not None
        assert (row.name, row.attempt, row.priority, row.course.restarts, row.array_id) == ("old", 2, 0, 0, None)
        assert (row.rehearse, row.course.began) == (True, True)
        version = text("SELECT value FROM meta WHERE key = 'schema'")
        assert store.read(lambda c: c.execute(version).scalar_one()) == schema.SCHEMA_VERSION
        indexes = store.read(lambda c: {i["name"] for i in inspect(c).get_indexes("managed_jobs")})
        assert "managed_jobs_queue" in indexes
        store.write(migration.upgrade)  # once more changes nothing
    finally:
        store.close()
