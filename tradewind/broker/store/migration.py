"""Brings a record that an older version wrote to this version's shape: what is new is added, nothing is taken away or rewritten."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Connection, inspect

from tradewind.broker.store import schema


def upgrade(connection: Connection) -> None:
    """Every table has every column and index of the schema; tables that are missing were made before. All in the caller's transaction."""
    inspector = inspect(connection)
    for table in schema.metadata.sorted_tables:
        known = {column["name"] for column in inspector.get_columns(table.name)}
        for column in table.columns:
            if column.name not in known:
                connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {_definition(column)}")
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
