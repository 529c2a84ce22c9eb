"""Managed jobs through the API: find, submit, follow to the end, what they have cost."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, TextIO

from tradewind.cli import exits, jobs
from tradewind.cli.errors import CliError
from tradewind.cli.follow import copy_logs, detaching, stages

if TYPE_CHECKING:
    from tradewind.cli.daemon import Api
    from tradewind.cli.purchase import Accepted


def find(api: Api, wanted: str) -> dict[str, Any]:
    """The managed job of this number, or the newest of this name.

    Raises:
        CliError: there is none.
    """
    rows = [row for row in api.get("/v1/jobs") if wanted in {str(row["id"]), row["name"]}]
    if not rows:
        raise CliError(f"there is no managed job {wanted}; `tradewind jobs queue --all` lists them.", exits.FAILED)
    return dict(max(rows, key=lambda row: int(row["id"])))


RECLAIM_WINDOW_S = (10.0, 20.0)  # seconds after launch: late enough for a checkpoint, early enough for a short job


def market(seed: int, time_scale: float | None = None, reclaims: int = 1) -> dict[str, Any]:
    """How a rehearsal takes instances away: at `time_scale`, or at the one that lets the recorded median hold end in RECLAIM_WINDOW_S."""
    if time_scale is not None:
        return {"seed": seed, "time_scale": time_scale, "max_reclaims": reclaims}
    return {"seed": seed, "time_scale": None, "window_s": RECLAIM_WINDOW_S, "max_reclaims": reclaims}


def submit(api: Api, accepted: Accepted, *, name: str | None = None, market: dict[str, Any] | None = None) -> int:
    """Hand an accepted plan's task over as a managed job; its number. A repeated request (a lost answer) is one job."""
    body = {**accepted.body, "client_key": uuid.uuid4().hex}
    if name is not None:
        body["name"] = name
    if market is not None:
        body["market"] = market
    return int(api.post("/v1/jobs", body)["job_id"])


def log_path(job_id: int, *, follow: bool) -> str:
    """The resource that streams its output over all attempts."""
    return f"/v1/jobs/{job_id}/logs?follow={int(follow)}"


def follow(api: Api, job_id: int, *, since_unix: float, out: TextIO | None = None) -> int:
    """Its output on stdout, and its stages on `out` if given, until it has ended; the exit code of its end."""
    with detaching(f"tradewind jobs logs {job_id}"), stages(api, f"job/{job_id}", since_unix, out=out):
        copy_logs(api, log_path(job_id, follow=True))
    return jobs.said(api.get(f"/v1/jobs/{job_id}"), f"managed job {job_id}")
