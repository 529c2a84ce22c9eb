"""Managed jobs through the API: find, submit, follow to the end, what they have cost."""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from tradewind.cli import exits, jobs
from tradewind.cli.errors import CliError
from tradewind.cli.follow import copy_logs, detaching, stages

if TYPE_CHECKING:
    from tradewind.cli.daemon import Api
    from tradewind.cli.purchase import Accepted


ALREADY = {
    "cancel": frozenset({"CANCELLING"}),
    "pause": frozenset({"PAUSING", "PAUSED", "CANCELLING"}),
    "resume": frozenset[str](),
    "retry": frozenset[str](),
}
_SAID = {
    "cancel": "cancelling; `tradewind jobs status {0}` says when its cluster is gone.",
    "pause": "pausing; `tradewind jobs resume {0}` goes on from its last checkpoint.",
    "resume": "back in the queue.",
    "retry": "back in the queue; it goes on from its last checkpoint.",
}


class Target(NamedTuple):
    """A job, or (`is_array`) an array: its number, and what to call it."""

    id: int
    text: str
    is_array: bool = False


def array_of(word: str) -> int | None:
    """The number of the array that `a12` means; None for anything else."""
    return int(word[1:]) if word[:1] == "a" and word[1:].isdigit() and len(word) < 12 else None


def find_array(api: Api, array_id: int) -> dict[str, Any]:
    """The array with its progress.

    Raises:
        CliError: there is none.
    """
    if not api.up:
        raise CliError(f"there is no array {array_id}; `tradewind jobs queue --all` lists them.", exits.FAILED)
    return dict(api.get(f"/v1/arrays/{array_id}"))


def target(api: Api, word: str) -> Target:
    """The array (a12), the job of this number, or the newest job of this name. Raises CliError."""
    array_id = array_of(word)
    if array_id is not None:
        row = find_array(api, array_id)
        return Target(array_id, f"array a{array_id} ({row['name']}, {row['size']} jobs)", is_array=True)
    row = find(api, word)
    return Target(int(row["id"]), f"managed job {row['id']} ({row['name']})")


def change(api: Api, one: Target, change: str, query: str = "") -> str:
    """Ask for the change, and say what comes of it. Raises CliError where the state does not allow it."""
    if one.is_array:
        done = api.post(f"/v1/arrays/{one.id}/{change}{query}")
        left = f"; {done['left']} are in a state that does not allow it" if done["left"] else ""
        return f"array a{one.id}: {change} for {done['changed']} jobs{left}."
    api.post(f"/v1/jobs/{one.id}/{change}{query}")
    return f"managed job {one.id}: {_SAID[change].format(one.id)}"


def find(api: Api, wanted: str) -> dict[str, Any]:
    """The managed job of this number, or the newest of this name.

    Raises:
        CliError: there is none.
    """
    from urllib.parse import quote

    if not api.up:
        raise CliError(f"there is no managed job {wanted}; `tradewind jobs queue --all` lists them.", exits.FAILED)
    job_id = api.get(f"/v1/jobs/named/{quote(wanted, safe='')}")["job_id"]
    return dict(api.get(f"/v1/jobs/{job_id}"))


RECLAIM_WINDOW_S = (7.0, 14.0)  # seconds after launch: late enough for a checkpoint, early enough for a short job


def market(seed: int, time_scale: float | None = None, reclaims: int = 1, notice_s: float = 0.0) -> dict[str, Any]:
    """How a rehearsal takes instances away: at `time_scale`, or at the one that lets the recorded median hold end in RECLAIM_WINDOW_S.

    Each is announced `notice_s` seconds before.
    """
    drawn: dict[str, Any] = {"seed": seed, "time_scale": time_scale, "max_reclaims": reclaims, "notice_s": notice_s}
    return drawn if time_scale is not None else {**drawn, "window_s": RECLAIM_WINDOW_S}


def submit(
    api: Api,
    accepted: Accepted,
    *,
    name: str | None = None,
    key: str | None = None,
    market: dict[str, Any] | None = None,
    **more: Any,
) -> int:
    """Hand an accepted plan's task over as a managed job; its number. A repeated request (a lost answer) is one job."""
    return int(api.post("/v1/jobs", _body(accepted, name, key, market, more))["job_id"])


def _body(
    accepted: Accepted, name: str | None, key: str | None, market: dict[str, Any] | None, more: dict[str, Any]
) -> dict[str, Any]:
    optional = {"name": name, "market": market}
    given = {field: value for field, value in optional.items() if value is not None}
    return {**accepted.body, "client_key": key or uuid.uuid4().hex, **given, **more}


def submit_array(
    api: Api,
    accepted: Accepted,
    members: Sequence[dict[str, str]],
    *,
    max_active: int | None,
    name: str | None = None,
    key: str | None = None,
    market: dict[str, Any] | None = None,
    **more: Any,
) -> int:
    """Hand an accepted plan's task over once for every member; the array's number."""
    job = _body(accepted, name, key, market, more)
    asked = {"job": job, "members": list(members), "max_active": max_active}
    return int(api.post("/v1/arrays", asked)["array_id"])


def follow_array(api: Api, array_id: int) -> int:
    """Return once every job of it has ended, saying its progress on stderr; the exit code of the worst end."""
    said = None
    with detaching(f"tradewind jobs status a{array_id}"):
        while True:
            view = api.get(f"/v1/arrays/{array_id}")
            states = ", ".join(f"{count} {state}" for state, count in sorted(view["states"].items()))
            if states != said:
                print(f"a{array_id}: {states}", file=sys.stderr, flush=True)
                said = states
            if view["ended"] == view["size"]:
                return exits.OK if view["succeeded"] == view["size"] else exits.FAILED
            time.sleep(0.5)


def print_matching(api: Api, path: str, text: str) -> bool:
    """Print the lines of the output that hold the text; whether there was one."""
    wanted, held, found = text.encode(), b"", False
    for chunk in api.stream(path):
        *lines, held = (held + chunk).split(b"\n")
        for line in lines:
            if wanted in line:
                found = True
                print(line.decode(errors="replace"))
    if wanted in held:
        found = True
        print(held.decode(errors="replace"))
    return found


def log_path(job_id: int, *, follow: bool, rank: int | None = None) -> str:
    """The resource that streams its output, or that of one node, over all attempts."""
    return f"/v1/jobs/{job_id}/logs?follow={int(follow)}{'' if rank is None else f'&rank={rank}'}"


def follow(api: Api, job_id: int, *, since_unix: float, out: TextIO | None = None, rank: int | None = None) -> int:
    """Its output, or that of one node, on stdout, and its stages on `out` if given, until it has ended; the exit code of its end."""
    with detaching(f"tradewind jobs logs {job_id}"), stages(api, f"job/{job_id}", since_unix, out=out) as hush:
        copy_logs(api, log_path(job_id, follow=True, rank=rank), hush=hush)
    return jobs.said(api.get(f"/v1/jobs/{job_id}"), f"managed job {job_id}")
