"""Brings a record that an older version wrote to this version's shape: what is new is added, nothing is taken away."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Connection, inspect

from tradewind.broker.store import schema

# What the new columns of a managed job would hold, had they been there.
_SINCE_VERSION_1 = (
    "UPDATE managed_jobs SET rehearse = COALESCE(json_extract(options, '$.rehearse'), 0)",
    """UPDATE managed_jobs SET course = '{"began":true}' WHERE attempt > 0""",
)


def upgrade(connection: Connection) -> None:
    """Every table has every column and index of the schema; tables that are missing were made before. All in the caller's transaction."""
    inspector = inspect(connection)
    for table in schema.metadata.sorted_tables:
        known = {column["name"] for column in inspector.get_columns(table.name)}
        for column in table.columns:
            if column.name not in known:
                connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {_definition(column)}")
        if table is schema.managed_jobs and "course" not in known:
            for statement in _SINCE_VERSION_1:
                connection.exec_driver_sql(statement)
        for index in table.indexes:
            index.create(connection, checkfirst=True)


def _definition(column: Column[Any]) -> str:
    kind = column.type.compile()
    if column.nullable:
        return f"{column.name} {kind}"
    default = getattr(column.default, "arg", None)
    assert isinstance(default, str | int | float), f"{column.name}: rows that are there need a value"
    literal = repr(default) if not isinstance(default, str) else "'" + default.replace("'", "''") + "'"
    return f"{column.name} {kind} NOT NULL DEFAULT {literal}"
