"""What is done with managed jobs, once: `tradewind.sdk.jobs` drives it blocking, `tradewind.sdk.aio.jobs` on an event loop."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from tradewind.broker.jobs.limits import Limits
from tradewind.broker.lifecycle import managed_job
from tradewind.optimizer.plan import Plan
from tradewind.sdk import operations
from tradewind.sdk.asking import Call, Get, Post
from tradewind.sdk.errors import NoPlan, TooDear
from tradewind.sdk.task import AnyTask, spec_of
from tradewind.sdk.views import Array, ManagedJob, Spending, Summary, Usage
from tradewind.spec import SpecError, Workload, load_workload, refuse_unbuilt
from tradewind.spec.workload import alone, group_not_built, workload_of

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
    not_before_unix: float | None = None,
    share: str | None = None,
    key: str | None = None,
    seed: int | None = None,
    time_scale: float | None = None,
    reclaims: int = 1,
    notice_s: float = 0.0,
) -> Call[int]:
    """A managed job is accepted, and its number returned: after a preemption it plans again and goes on from its last checkpoint.

    The price is agreed to as in `launch`: `max_hourly_usd` in USD/hour for all nodes, or a `plan`. Later attempts are
    planned anew and may cost more; `max_hourly_cost` of the resources and the task's `budget` bound them.
    `secrets` are the values of the task's secrets. It starts at `not_before_unix` (Unix seconds) at the earliest. `share` is whom it is for: of
    equal priority, who has the fewest jobs active comes next. Launched again under the same `key` it is the same job.

    With `seed`, a rehearsal loses at most `reclaims` instances, at moments that the seed draws from recorded spot traces, of which `time_scale`
    seconds pass in one (None: so that the loss comes within seconds), each announced `notice_s` seconds before.

    Raises:
        SpecError: the task is wrong.
        TooDear: the cheapest plan costs more than was agreed to.
        NoPlan: nothing that can be bought from here will do.
        ValueError: `seed` without `rehearse`.
        Unreachable: no daemon answers.
    """
    if seed is not None and not rehearse:
        raise ValueError("seed says when a rehearsal loses an instance; it needs rehearse=True")
    body = operations.request(task, rehearse=rehearse, hours=hours, catalog=catalog, secrets=secrets)
    body = yield from operations.agreed(body, plan, max_hourly_usd)
    # A request that is sent again, because its answer was lost, is one job.
    body |= {"name": name, "secrets": dict(secrets or {}), "client_key": key or uuid.uuid4().hex}
    body |= {"not_before_unix": not_before_unix, "share": share}
    if seed is not None:
        window = RECLAIM_WINDOW_S if time_scale is None else None
        drawn = {"seed": seed, "time_scale": time_scale, "window_s": window, "max_reclaims": reclaims}
        body["market"] = drawn | {"notice_s": notice_s}
    return int((yield Post("/v1/jobs", body, starts=True))["job_id"])


def launch_graph(
    tasks: Sequence[AnyTask] | str | os.PathLike[str],
    name: str | None = None,
    *,
    max_hourly_usd: float | None = None,
    rehearse: bool = False,
    hours: float | None = None,
    catalog: str | os.PathLike[str] | None = None,
    secrets: Mapping[str, str] | None = None,
    max_active: int | None = None,
    not_before_unix: float | None = None,
    share: str | None = None,
    key: str | None = None,
) -> Call[tuple[int, ...]]:
    """A managed job for each task (of a sequence, or of one file that holds several) is accepted, planned as one, and their numbers returned in the tasks' order.

    Each starts once those that its task names in `depends_on` have succeeded; where no task names any, each follows the one before it. A
    job that fails or is cancelled cancels those that wait for it. `max_hourly_usd` (USD/hour) is for all of them at once; `not_before_unix`,
    `share` and `key` are those of `launch`.

    Raises:
        SpecError: a task is wrong, or they wait for each other.
        TooDear: the cheapest plan costs more than was agreed to.
        NoPlan: nothing that can be bought from here will do.
        Unreachable: no daemon answers.
    """
    workload = workload_in(tasks) if isinstance(tasks, str | os.PathLike) else workload_of(map(spec_of, tasks))
    came = operations.trace_of_now()
    requests = [operations.request(task, rehearse=rehearse, hours=hours, catalog=catalog) for task in workload.tasks]
    shared = {name: value for name, value in requests[0].items() if name != "task"}
    asked = {"tasks": [one["task"] for one in requests], "edges": workload.edges, **shared}
    found = yield Post("/v1/graphs/plan", asked, starts=True)
    plan = msgspec.convert(found, Plan)
    if not plan.feasible:
        raise NoPlan(" ".join(plan.why_infeasible), "no_plan", "")
    cap = operations.accepted(plan if rehearse and max_hourly_usd is None else None, max_hourly_usd)
    if plan.hourly_usd > cap * (1 + 1e-9):
        raise TooDear(f"all at once cost {plan.hourly_usd:.6g} USD/h, more than {cap:.6g} USD/h", "price", "")
    jobs = [
        {
            **request,
            **came,
            "not_before_unix": not_before_unix,
            "share": share,
            "accepted_hourly_usd": placement.hourly_usd,
            "secrets": {key: value for key, value in (secrets or {}).items() if key in task.secrets},
        }
        for task, request, placement in zip(workload.tasks, requests, plan.placements, strict=True)
    ]
    body = {"jobs": jobs, "edges": workload.edges, "name": name, "max_active": max_active}
    answer = yield Post("/v1/graphs", {**body, "client_key": key or uuid.uuid4().hex})
    return tuple(int(job_id) for job_id in answer["job_ids"])


def workload_in(path: str | os.PathLike[str]) -> Workload:
    """The tasks of the file, all of which can be carried out. Raises SpecError."""
    workload = load_workload(os.fspath(path))
    for sentence in group_not_built(workload):
        field, _, message = sentence.partition(": ")
        raise SpecError(os.fspath(path), 0, 0, field, message)
    for task in workload.tasks:
        refuse_unbuilt(alone(task, workload), "job")
    return workload


def queue(
    *,
    all: bool = False,  # noqa: A002  the flag's name
    states: Collection[str] = (),
    name: str | None = None,
    limit: int = 1000,
) -> Call[tuple[ManagedJob, ...]]:
    """The unfinished managed jobs, oldest first, and what each waits for; with `all` also those that have ended.

    Only those in one of `states`, or of this `name`, where given; of all that fit the newest `limit`.
    """
    asked: dict[str, str | int] = {"limit": limit}
    if states:
        asked["state"] = ",".join(states)
    elif not all:
        asked["unfinished"] = 1
    if name is not None:
        asked["name"] = name
    rows = yield Get(f"/v1/jobs?{urlencode(asked)}", collection=True)
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


def cancel(*jobs: int | str) -> Call[None]:
    """The managed jobs, by number or name, or arrays as "a12", are ending, and their clusters with them.

    Raises:
        NotFound: there is none.
        Refused: it has ended already.
    """
    yield from _change(jobs, "cancel")


def pause(*jobs: int | str) -> Call[None]:
    """The managed jobs' machines are being given back; their checkpoints are kept, and `resume` goes on from there. "a12" is an array.

    Raises:
        NotFound: there is none.
        Refused: its state does not allow it.
    """
    yield from _change(jobs, "pause")


def resume(*jobs: int | str) -> Call[None]:
    """The paused managed jobs are in the queue again; "a12" is an array. Raises NotFound; Refused: it is not paused."""
    yield from _change(jobs, "resume")


def retry(*jobs: int | str, budget_usd: float | None = None) -> Call[None]:
    """The managed jobs that failed or were cancelled are in the queue again, and go on from their last checkpoints; "a12" is an array.

    `budget_usd` is what each may cost in all from now on. Raises NotFound, Refused.
    """
    yield from _change(jobs, "retry", "" if budget_usd is None else f"?budget_usd={budget_usd!r}")


def _change(jobs: Sequence[int | str], change: str, query: str = "") -> Call[None]:
    for job in jobs:
        if isinstance(job, str) and job[:1] == "a" and job[1:].isdigit():
            yield Post(f"/v1/arrays/{int(job[1:])}/{change}{query}", {})
        else:
            number = yield from number_of(job)
            yield Post(f"/v1/jobs/{number}/{change}{query}", {})


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
    not_before_unix: float | None = None,
    share: str | None = None,
    key: str | None = None,
) -> Call[int]:
    """The task is accepted once for every map of variables in `members`, and the array's number returned; at most `max_active` of its jobs
    have machines at a time. `max_hourly_usd` is USD/hour for one of them; `not_before_unix`, `share` and `key` are those of `launch`.

    Raises as `launch` does, and Refused for an array of none or of too many.
    """
    body = operations.request(task, rehearse=rehearse, hours=hours, catalog=catalog, secrets=secrets)
    body = yield from operations.agreed(body, plan, max_hourly_usd)
    body |= {"name": name, "secrets": dict(secrets or {}), "client_key": key or uuid.uuid4().hex}
    body |= {"not_before_unix": not_before_unix, "share": share}
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


def spend(by: str = "job", *, rehearsed: bool = False) -> Call[dict[str, Any]]:
    """What managed jobs have cost, exactly (USD), beside the same hours on demand; {} where nothing was ever launched.

    `by` is what one line is for: job, name, cloud, region, day, or label:KEY. `rehearsed`: what rehearsals would have cost.
    """
    return dict((yield Get(f"/v1/spend?by={quote(by, safe='')}&rehearsed={int(rehearsed)}", collection=True)) or {})


def top() -> Call[Summary]:
    """Everything at a glance: managed jobs by state, what is spent, the limits, the active jobs, dearest first, and what each uses."""
    found = yield Get("/v1/summary", collection=True)
    if not found:  # nothing was ever launched from here
        return Summary({}, Spending(), Spending(), Limits())
    active = yield Get("/v1/jobs?state=STARTING,RUNNING,RECOVERING,CANCELLING,PAUSING&limit=1000")
    used = {one["managed_job_id"]: msgspec.convert(one, Usage) for one in (yield Get("/v1/usage"))}
    jobs = sorted(msgspec.convert(active, list[ManagedJob]), key=lambda job: (-job.hourly_usd, job.id))
    usage = {job.id: used[job.id] for job in jobs if job.id in used}
    return msgspec.structs.replace(msgspec.convert(found, Summary), active=tuple(jobs), usage=usage)


def bill(job: int | str) -> Call[dict[str, Any]]:
    """What the managed job has cost so far, by instance, and what it would have cost elsewhere; USD. Raises NotFound."""
    number = yield from number_of(job)
    return dict((yield Get(f"/v1/jobs/{number}/bill")))


def log_path(job: int | str, *, follow: bool, rank: int | None) -> Call[str]:
    """The resource that streams its output, or that of one node, over all attempts. Raises NotFound."""
    number = yield from number_of(job)
    return f"/v1/jobs/{number}/logs?follow={int(follow)}{'' if rank is None else f'&rank={rank}'}"
