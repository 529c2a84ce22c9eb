"""What is done with managed jobs, once: `tradewind.sdk.jobs` drives it blocking, `tradewind.sdk.aio.jobs` on an event loop."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Literal
from urllib.parse import quote

import msgspec

from tradewind.broker.lifecycle import managed_job
from tradewind.optimizer.plan import Plan
from tradewind.sdk import operations
from tradewind.sdk.asking import Call, Get, Post
from tradewind.sdk.errors import NoPlan, TooDear
from tradewind.sdk.task import AnyTask, spec_of
from tradewind.sdk.views import Array, ManagedJob
from tradewind.spec import task_to_dict
from tradewind.spec.workload import workload_of

RECLAIM_WINDOW_S = (10.0, 20.0)  # seconds after launch: late enough for a checkpoint, early enough for a short job


def launch(
    task: AnyTask,
    name: str | None = None,
    *,
    max_hourly_usd: float | None = None,
    plan: Plan | None = None,
    rehearse: bool = False,
    hours: float | None = None,
    catalog: str | os.PathLike[str] | None = None,
    secrets: Mapping[str, str] | None = None,
    seed: int | None = None,
) -> Call[int]:
    """A managed job is accepted, and its number returned: after a preemption it plans again and goes on from its last checkpoint.

    The price is agreed to as in `launch`: `max_hourly_usd` in USD/hour for all nodes, or a `plan`. Later attempts are
    planned anew and may cost more; `max_hourly_cost` of the resources and the task's `budget` bound them.
    `secrets` are the values of the task's secrets. With `seed`, a rehearsal loses an instance at a moment that the seed draws from
    recorded spot traces.

    Raises:
        SpecError: the task is wrong.
        TooDear: the cheapest plan costs more than was agreed to.
        NoPlan: nothing that can be bought from here will do.
        ValueError: `seed` without `rehearse`.
        Unreachable: no daemon answers.
    """
    if seed is not None and not rehearse:
        raise ValueError("seed says when a rehearsal loses an instance; it needs rehearse=True")
    body = operations.request(task, rehearse=rehearse, hours=hours, catalog=catalog)
    body = yield from operations.agreed(body, plan, max_hourly_usd)
    # A request that is sent again, because its answer was lost, is one job.
    body |= {"name": name, "secrets": dict(secrets or {}), "client_key": uuid.uuid4().hex}
    if seed is not None:
        body["market"] = {"seed": seed, "time_scale": None, "window_s": RECLAIM_WINDOW_S, "max_reclaims": 1}
    return int((yield Post("/v1/jobs", body, starts=True))["job_id"])


def launch_graph(
    tasks: Sequence[AnyTask],
    name: str | None = None,
    *,
    max_hourly_usd: float | None = None,
    rehearse: bool = False,
    hours: float | None = None,
    catalog: str | os.PathLike[str] | None = None,
    secrets: Mapping[str, str] | None = None,
    max_active: int | None = None,
) -> Call[tuple[int, ...]]:
    """A managed job for each task is accepted, planned as one, and their numbers returned in the tasks' order.

    Each starts once those that its task names in `depends_on` have succeeded; where no task names any, each follows the one before it. A
    job that fails or is cancelled cancels those that wait for it. `max_hourly_usd` (USD/hour) is for all of them at once.

    Raises:
        SpecError: a task is wrong, or they wait for each other.
        TooDear: the cheapest plan costs more than was agreed to.
        NoPlan: nothing that can be bought from here will do.
        Unreachable: no daemon answers.
    """
    workload = workload_of([spec_of(task) for task in tasks])
    shared = {"rehearse": rehearse, "hours": hours, "catalog": None if catalog is None else os.path.abspath(catalog)}
    forms = [task_to_dict(task) for task in workload.tasks]
    found = yield Post("/v1/graphs/plan", {"tasks": forms, "edges": workload.edges, **shared}, starts=True)
    plan = msgspec.convert(found, Plan)
    if not plan.feasible:
        raise NoPlan(" ".join(plan.why_infeasible), "no_plan", "")
    cap = plan.hourly_usd if rehearse and max_hourly_usd is None else max_hourly_usd or 0.0
    if plan.hourly_usd > cap * (1 + 1e-9):
        raise TooDear(f"all at once cost {plan.hourly_usd:.6g} USD/h, more than {cap:.6g} USD/h", "price", "")
    jobs = [
        {
            **shared,
            "task": form,
            "accepted_hourly_usd": placement.hourly_usd,
            "secrets": {key: value for key, value in (secrets or {}).items() if key in task.secrets},
        }
        for task, form, placement in zip(workload.tasks, forms, plan.placements, strict=True)
    ]
    body = {"jobs": jobs, "edges": workload.edges, "name": name, "max_active": max_active}
    answer = yield Post("/v1/graphs", {**body, "client_key": uuid.uuid4().hex})
    return tuple(int(job_id) for job_id in answer["job_ids"])


def queue(*, all: bool = False) -> Call[tuple[ManagedJob, ...]]:  # noqa: A002  the flag's name
    """The unfinished managed jobs, oldest first, and what each waits for; with `all` also those that have ended."""
    rows = yield Get("/v1/jobs" + ("" if all else "?unfinished=1"), collection=True)
    return msgspec.convert(rows, tuple[ManagedJob, ...])


def number_of(job: int | str) -> Call[int]:
    """The job's number, of a number or of the newest job of a name. Raises NotFound."""
    if isinstance(job, int):
        return job
    return int((yield Get(f"/v1/jobs/named/{quote(job, safe='')}"))["job_id"])


def status(job: int | str) -> Call[ManagedJob]:
    """The managed job of this number, or the newest of this name. Raises NotFound."""
    number = yield from number_of(job)
    return msgspec.convert((yield Get(f"/v1/jobs/{number}")), ManagedJob)


def wait(job: int | str, *, timeout_s: float | None = None) -> Call[ManagedJob]:
    """The managed job once it has ended, well or not: see its `state`.

    Raises:
        NotFound: there is none.
        TimeoutError: it has not ended within `timeout_s` seconds; it goes on.
    """
    number = yield from number_of(job)
    began, pause = time.monotonic(), operations.FIRST_PAUSE_S
    while True:
        row = yield from status(number)
        if row.state in managed_job.FINAL:
            return row
        pause = yield from operations.paused(began, pause, timeout_s, f"managed job {number} is {row.state}")


def cancel(job: int | str) -> Call[None]:
    """The managed job is ending, and its cluster with it.

    Raises:
        NotFound: there is none.
        Refused: it has ended already.
    """
    number = yield from number_of(job)
    yield Post(f"/v1/jobs/{number}/cancel", {})


def pause(job: int | str) -> Call[None]:
    """The managed job's machines are being given back; its checkpoint is kept, and `resume` goes on from there.

    Raises:
        NotFound: there is none.
        Refused: its state does not allow it.
    """
    yield from _change(job, "pause")


def resume(job: int | str) -> Call[None]:
    """The paused managed job is in the queue again. Raises NotFound; Refused: it is not paused."""
    yield from _change(job, "resume")


def retry(job: int | str) -> Call[None]:
    """The managed job that failed or was cancelled is in the queue again, and goes on from its last checkpoint. Raises NotFound, Refused."""
    yield from _change(job, "retry")


def _change(job: int | str, change: str) -> Call[None]:
    number = yield from number_of(job)
    yield Post(f"/v1/jobs/{number}/{change}", {})


def launch_array(
    task: AnyTask,
    members: Sequence[Mapping[str, str]],
    name: str | None = None,
    *,
    max_active: int | None = None,
    max_hourly_usd: float | None = None,
    plan: Plan | None = None,
    rehearse: bool = False,
    hours: float | None = None,
    catalog: str | os.PathLike[str] | None = None,
    secrets: Mapping[str, str] | None = None,
) -> Call[int]:
    """The task is accepted once for every map of variables in `members`, and the array's number returned; at most `max_active` of its jobs
    have machines at a time. `max_hourly_usd` is USD/hour for one of them.

    Raises as `launch` does, and Refused for an array of none or of too many.
    """
    body = operations.request(task, rehearse=rehearse, hours=hours, catalog=catalog)
    body = yield from operations.agreed(body, plan, max_hourly_usd)
    body |= {"name": name, "secrets": dict(secrets or {}), "client_key": uuid.uuid4().hex}
    asked = {"job": body, "members": [dict(each) for each in members], "max_active": max_active}
    return int((yield Post("/v1/arrays", asked, starts=True))["array_id"])


def array(number: int) -> Call[Array]:
    """The array with its progress. Raises NotFound."""
    return msgspec.convert((yield Get(f"/v1/arrays/{number}")), Array)


def array_jobs(number: int) -> Call[tuple[ManagedJob, ...]]:
    """The managed jobs of the array. Raises NotFound."""
    return msgspec.convert((yield Get(f"/v1/jobs?array={number}&limit=100000")), tuple[ManagedJob, ...])


def cancel_array(number: int) -> Call[int]:
    """Every job of the array that has not ended is ending: how many. Raises NotFound."""
    return int((yield Post(f"/v1/arrays/{number}/cancel", {}))["changed"])


def spend(
    by: Literal["job", "name", "cloud", "region", "day"] = "job", *, rehearsed: bool = False
) -> Call[dict[str, Any]]:
    """What managed jobs have cost, exactly (USD), beside the same hours on demand; {} where nothing was ever launched."""
    return dict((yield Get(f"/v1/spend?by={by}&rehearsed={int(rehearsed)}", collection=True)) or {})


def bill(job: int | str) -> Call[dict[str, Any]]:
    """What the managed job has cost so far, by instance, and what it would have cost elsewhere; USD. Raises NotFound."""
    number = yield from number_of(job)
    return dict((yield Get(f"/v1/jobs/{number}/bill")))


def log_path(job: int | str, *, follow: bool) -> Call[str]:
    """The resource that streams its output over all attempts. Raises NotFound."""
    number = yield from number_of(job)
    return f"/v1/jobs/{number}/logs?follow={int(follow)}"
