"""The indexed SQLite form of a catalog's tables: its schema and how it is filled."""

from __future__ import annotations

import sqlite3

from tradewind.catalog.tables import PLACE_COLUMNS, PRICE_COLUMNS, PROVENANCE_COLUMNS, TYPE_COLUMNS, Tables

SCHEMA_VERSION = 3
APPLICATION_ID = 0x7477_6361  # "twca", in the file's header

_TABLES = """
CREATE TABLE types (id INTEGER PRIMARY KEY, cloud TEXT NOT NULL, instance_type TEXT NOT NULL, arch TEXT NOT NULL, vcpus REAL,
  memory_gib REAL, accelerator TEXT NOT NULL, accelerator_count REAL NOT NULL, accelerator_memory_gib REAL, burstable INTEGER NOT NULL,
  local_disk_gb REAL, local_disk_kind TEXT NOT NULL, network_gbps REAL, features TEXT NOT NULL,
  offers INTEGER NOT NULL DEFAULT 0, least_ondemand REAL, least_spot REAL);
CREATE TABLE places (id INTEGER PRIMARY KEY, cloud TEXT NOT NULL, region TEXT NOT NULL, zone TEXT NOT NULL, restricted INTEGER NOT NULL,
  offers INTEGER NOT NULL DEFAULT 0);
CREATE TABLE provenances (id INTEGER PRIMARY KEY, basis TEXT NOT NULL, spot_basis TEXT NOT NULL, date TEXT NOT NULL, spot_date TEXT NOT NULL);
CREATE TABLE prices (type INTEGER NOT NULL, place INTEGER NOT NULL, ondemand REAL, spot REAL, provenance INTEGER NOT NULL, risk REAL,
  PRIMARY KEY (type, place)) WITHOUT ROWID;
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
# A WITHOUT ROWID table's indexes carry its key, so each of these answers "which offer" without touching the table.
_INDEXES = """
CREATE INDEX by_ondemand ON prices (ondemand, place, type);
CREATE INDEX by_spot ON prices (spot, place, type);
CREATE INDEX by_place_ondemand ON prices (place, ondemand, type);
CREATE INDEX by_place_spot ON prices (place, spot, type);
UPDATE types SET offers = n, least_ondemand = least_o, least_spot = least_s
  FROM (SELECT type, count(*) AS n, min(ondemand) AS least_o, min(spot) AS least_s FROM prices GROUP BY type) WHERE id = type;
UPDATE places SET offers = n FROM (SELECT place, count(*) AS n FROM prices INDEXED BY by_place_spot GROUP BY place) WHERE id = place;
"""


def fill(connection: sqlite3.Connection, tables: Tables, digest: str) -> None:
    """Make the schema in an empty database and put the tables in; the `complete` row is written last."""
    connection.execute("PRAGMA journal_mode = OFF")  # nobody sees the file before it is whole and renamed
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.executescript(_TABLES)
    connection.execute("BEGIN")
    columns = (TYPE_COLUMNS, PLACE_COLUMNS, PROVENANCE_COLUMNS, PRICE_COLUMNS)
    for name, names, rows in zip(Tables._fields, columns, tables, strict=True):
        values = ", ".join(_value(column) for column in names)
        connection.executemany(f"INSERT INTO {name} ({', '.join(names)}) VALUES ({values})", rows)  # noqa: S608  names are ours
    connection.execute("COMMIT")
    connection.executescript(_INDEXES)
    (offers,) = connection.execute("SELECT count(*) FROM prices").fetchone()
    connection.executemany(
        "INSERT INTO meta VALUES (?, ?)", [("digest", digest), ("offers", str(offers)), ("complete", "yes")]
    )
    connection.commit()


_MAY_BE_UNKNOWN = frozenset(
    {"vcpus", "memory_gib", "accelerator_memory_gib", "local_disk_gb", "network_gbps", "ondemand", "spot", "risk"}
)


def _value(column: str) -> str:
    return "nullif(?, '')" if column in _MAY_BE_UNKNOWN else "?"


def is_whole(connection: sqlite3.Connection, digest: str, size: int) -> bool:
    """True when the open file of `size` bytes is a finished catalog of `digest` in this schema, not cut short."""
    try:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        (page_size,) = connection.execute("PRAGMA page_size").fetchone()
        if (application, version, pages * page_size) != (APPLICATION_ID, SCHEMA_VERSION, size):
            return False
        meta = dict(connection.execute("SELECT key, value FROM meta"))
    except sqlite3.Error:
        return False
    return meta.get("complete") == "yes" and meta.get("digest") == digest
