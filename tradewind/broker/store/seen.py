"""What this data directory's record tells a plan: losses of spot machines, earlier runs, and what is held now. Read beside the daemon, without it.

A loss is an instance that ended by itself. Rehearsals teach nothing about the world and are left out throughout. Where there is no record, or
one of another version, there is nothing to tell.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from tradewind.catalog.offer import Offer
from tradewind.optimizer.hazard import NOTHING_SEEN, Experience, Seen

FILE_NAME = "record.sqlite"  # as `database` names it; that module is slow to load
_SEEN = """
SELECT json_extract(i.offer, '$.cloud') AS cloud, json_extract(i.offer, '$.region') AS region,
       coalesce(json_extract(i.offer, '$.zone'), '') AS zone, json_extract(i.offer, '$.instance_type') AS type,
       sum(max(coalesce(i.ended_unix, :now) - i.launched_unix, 0)) / 3600.0,
       sum(EXISTS (SELECT 1 FROM events e WHERE e.subject = 'instance/' || i.id AND e.cause = e.subject AND e.kind = 'ended'))
FROM instances i JOIN clusters c ON c.id = i.cluster_id
WHERE i.use_spot = 1 AND i.launched_unix IS NOT NULL AND c.rehearse = 0
GROUP BY cloud, region, zone, type
"""


# One run of a job: it succeeded in one life, so that its hours are the work's and nothing was done twice.
_RUNS = """
SELECT json_extract(i.offer, '$.accelerator') AS accelerator, json_extract(i.offer, '$.accelerator_count') AS count,
       (a.ended_unix - a.started_unix) / 3600.0
FROM managed_jobs j JOIN attempts a ON a.managed_job_id = j.id
JOIN instances i ON i.id = (SELECT min(id) FROM instances WHERE cluster_id = a.cluster_id)
WHERE j.name = :name AND j.state = 'SUCCEEDED' AND j.attempt = 1 AND j.rehearse = 0 AND json_extract(j.task, '$.run') = :run
  AND a.ended_unix > a.started_unix
ORDER BY j.id DESC LIMIT 20
"""
_HELD = """
SELECT i.offer, i.use_spot, c.id FROM instances i JOIN clusters c ON c.id = i.cluster_id
WHERE i.state IN ('INTENT', 'RUNNING') AND c.rehearse = 0
"""


class Run(msgspec.Struct, frozen=True):
    """An earlier run: the accelerators of each of its nodes ("" and 0: none), and its hours."""

    accelerator: str
    accelerator_count: float
    hours: float


class Held(msgspec.Struct, frozen=True):
    """A machine that is held now, or about to be."""

    offer: Offer
    use_spot: bool


def experience(data_dir: str, now: float | None = None) -> Experience:
    """All that was seen of spot until `now` (Unix seconds)."""
    found = _asked(data_dir, _SEEN, {"now": time.time() if now is None else now})
    return Experience(tuple(sorted((Seen(*row) for row in found), key=repr))) if found else NOTHING_SEEN


def earlier_runs(data_dir: str, name: str, run: str) -> tuple[Run, ...]:
    """The last runs of the job of this name whose program was the same, newest first, at most 20."""
    return tuple(
        Run(accelerator or "", float(count or 0), hours)
        for accelerator, count, hours in _asked(data_dir, _RUNS, {"name": name, "run": run})
    )


def held(data_dir: str) -> tuple[Held, ...]:
    """Every machine that is held now."""
    return tuple(
        Held(msgspec.json.decode(offer, type=Offer), bool(use_spot))
        for offer, use_spot, _ in _asked(data_dir, _HELD, {})
    )


def _asked(data_dir: str, query: str, values: Mapping[str, object]) -> list[Any]:
    path = os.path.join(data_dir, FILE_NAME)
    if not os.path.exists(path):
        return []
    try:
        record = sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True, timeout=1.0)
    except sqlite3.Error:
        return []
    try:
        return record.execute(query, values).fetchall()
    except sqlite3.Error:  # of another version, or being replaced: a plan does without
        return []
    finally:
        record.close()
