"""The daemon's rows (clusters, jobs, managed jobs, as JSON) as tables. Pure but for the clock that ages are counted from."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from tradewind.cli import terminal
from tradewind.cli.terminal import Column

Row = Mapping[str, Any]

ENDED = frozenset(
    {"SUCCEEDED", "FAILED", "FAILED_SETUP", "FAILED_PRECHECKS", "FAILED_NO_RESOURCE", "CANCELLED", "LOST"}
)
SUCCEEDED = "SUCCEEDED"


def age(row: Row, now_unix: float) -> str:
    """How long it has lived, or lived."""
    end = row.get("ended_unix") or now_unix
    return terminal.duration(max(0.0, float(end) - float(row["created_unix"])))


# Nothing runs there: what is paid by the hour, if anything, is a disk.
UNPAID = frozenset({"STOPPED", "PREEMPTED", "FAILED", "TERMINATED"})


def _about(row: Row) -> str:
    """What is worth saying of a cluster beside its figures; "" for nothing."""
    if row.get("waiting_for"):
        return str(row["waiting_for"])
    if row["state"] == "PREEMPTED":
        when = row.get("lost_unix")
        at = f" at {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(when))}" if when else ""
        return f"preempted{at}: {row.get('why') or 'nobody says why'}"
    minutes = row.get("autostop_minutes")
    if row["state"] == "UP" and minutes is not None:
        return f"{'ends' if row.get('autostop_down') else 'stops'} after {minutes:g} idle minutes"
    return str(row.get("why") or "") if row["state"] == "FAILED" else ""


def _waiting(rows: Sequence[Row], name: str) -> list[str]:
    lines = []
    for row in rows:
        said = row.get("waiting_for") or (row.get("why") if str(row["state"]).startswith("FAILED") else "")
        if said:
            lines.append(terminal.wrapped(f"{row[name]}: {said}", indent=2, limit=terminal.width()))
    return lines


def clusters_table(rows: Sequence[Row], now_unix: float | None = None) -> str:
    """Clusters, newest last, and below what each waits for, how it was lost, or when it stops."""
    now = time.time() if now_unix is None else now_unix
    columns = [
        Column("NAME", shrink=True),
        Column("STATE"),
        Column("NODES", "right"),
        Column("PLACE", shrink=True),
        Column("TYPE", shrink=True),
        Column("USD/H", "right"),
        Column("AGE", "right"),
    ]
    cells = [
        [
            str(row["name"]),
            str(row["state"]),
            str(row.get("num_nodes") or "-"),
            terminal.short_place(str(row.get("place") or "-")) + (" (rehearsed)" if row.get("rehearse") else ""),
            str(row.get("instance_type") or "-") + (" spot" if row.get("use_spot") else ""),
            "-" if row.get("hourly_usd") is None or row["state"] in UNPAID else terminal.usd(float(row["hourly_usd"])),
            age(row, now),
        ]
        for row in rows
    ]
    text = terminal.table(columns, cells, limit=terminal.width(), colour=terminal.colourful())
    told = [f"{row['name']}: {said}" for row in rows if (said := _about(row))]
    return "\n".join([text, *(terminal.wrapped(one, indent=2, limit=terminal.width()) for one in told)])


def top_table(rows: Sequence[Row], now_unix: float | None = None) -> str:
    """Active managed jobs with what each costs an hour and uses (`usage`), and what each waits for below."""
    now = time.time() if now_unix is None else now_unix
    columns = [
        Column("ID", "right"),
        Column("NAME", shrink=True),
        Column("STATE"),
        Column("RECOVERIES", "right"),
        Column("USD/H", "right"),
        Column("CPUS", "right"),
        Column("GIB", "right"),
        Column("GPUS", shrink=True),
        Column("AGE", "right"),
    ]
    cells = [
        [
            str(row["id"]),
            str(row.get("name") or "-"),
            str(row["state"]),
            str(row.get("recoveries", 0)),
            terminal.usd(float(row["hourly_usd"])),
            *_used(row.get("usage")),
            age(row, now),
        ]
        for row in rows
    ]
    text = terminal.table(columns, cells, limit=terminal.width(), colour=terminal.colourful())
    return "\n".join([text, *_waiting(rows, "id")])


def _used(usage: Row | None) -> tuple[str, str, str]:
    if usage is None:
        return "-", "-", "-"
    shares = [float(share) for share in usage["accelerators"]]
    mean = f"{len(shares)} at {sum(shares) / len(shares):.0%}" if shares else "-"
    return f"{usage['cpus']:.1f}", f"{usage['memory_gib']:.2f}", mean


def jobs_table(rows: Sequence[Row], now_unix: float | None = None) -> str:
    """Jobs or managed jobs, with what each waits for below."""
    now = time.time() if now_unix is None else now_unix
    managed = any("recoveries" in row for row in rows)
    columns = [Column("ID", "right"), Column("NAME", shrink=True), Column("STATE")]
    columns += [Column("RECOVERIES", "right"), Column("CLUSTER", shrink=True)] if managed else []
    columns += [Column("AGE", "right")]
    cells = []
    for row in rows:
        cell = [str(row["id"]), str(row.get("name") or "-"), str(row["state"])]
        if managed:
            cell += [str(row.get("recoveries", 0)), str(row.get("cluster") or "-")]
        cells.append([*cell, age(row, now)])
    text = terminal.table(columns, cells, limit=terminal.width(), colour=terminal.colourful())
    return "\n".join([text, *_waiting(rows, "id")])
