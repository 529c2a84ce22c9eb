"""What is done with clusters, once: `tradewind.sdk.clusters` drives it blocking, `tradewind.sdk.aio` on an event loop."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal
from urllib.parse import quote

import msgspec

from tradewind.broker.lifecycle import cluster_job
from tradewind.optimizer.plan import Plan
from tradewind.sdk.asking import Call, Get, Pause, Post
from tradewind.sdk.errors import NotFound, Refused
from tradewind.sdk.login import rsync_arguments, ssh_arguments
from tradewind.sdk.task import AnyTask, spec_of
from tradewind.sdk.trace_context import trace_context
from tradewind.sdk.views import Cluster, Cost, Event, Job, Launched, Why
from tradewind.spec import Task, task_to_dict

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 1.0


def resource(cluster: str, *rest: object) -> str:
    """The cluster's resource; its name is quoted so that no name reaches another one's."""
    return "/".join([f"/v1/clusters/{quote(cluster, safe='')}", *map(str, rest)])


def accepted(plan: Plan | None, max_hourly_usd: float | None) -> float:
    """The USD/hour that the caller agrees to: the cap, or the plan's price; 0 when neither is given, so that only what is free is launched.

    Raises:
        ValueError: both are given, or the plan is none.
    """
    if plan is not None and max_hourly_usd is not None:
        raise ValueError("pass plan or max_hourly_usd, not both: each says what you agree to pay")
    if plan is not None and not plan.feasible:
        raise ValueError("the plan is not feasible: " + " ".join(plan.why_infeasible))
    return plan.hourly_usd if plan is not None else max_hourly_usd or 0.0


def request(
    task: AnyTask,
    *,
    rehearse: bool,
    hours: float | None,
    catalog: str | os.PathLike[str] | None,
    secrets: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """What every request to plan or buy holds."""
    return {
        "task": task_to_dict(with_secrets(spec_of(task), secrets or {})),
        "rehearse": rehearse,
        "hours": hours,
        "catalog": None if catalog is None else os.path.abspath(catalog),
    }


def with_secrets(task: Task, secrets: Mapping[str, str]) -> Task:
    """The task, of which those secrets whose values its file wrote down are given as any other."""
    given = tuple(name for name in task.inline_secrets if name in secrets)
    left = tuple(name for name in task.inline_secrets if name not in secrets)
    return msgspec.structs.replace(task, secrets=(*task.secrets, *given), inline_secrets=left)


def trace_of_now() -> dict[str, Any]:
    """What a submission says of the trace that it belongs to, and of when it was asked for."""
    return trace_context(time.time())


def agreed(body: dict[str, Any], plan: Plan | None, max_hourly_usd: float | None) -> Call[dict[str, Any]]:
    """The request with the price that goes with it; a rehearsal costs nothing, so that its plan's price is agreed to unseen."""
    came = trace_of_now()
    if body["rehearse"] and plan is None and max_hourly_usd is None:
        found = yield Post("/v1/plan", body, starts=True)
        return {**body, **came, "accepted_hourly_usd": float(found["hourly_usd"])}
    return {**body, **came, "accepted_hourly_usd": accepted(plan, max_hourly_usd)}


def launch(
    task: AnyTask,
    cluster: str | None = None,
    *,
    max_hourly_usd: float | None = None,
    plan: Plan | None = None,
    rehearse: bool = False,
    hours: float | None = None,
    catalog: str | os.PathLike[str] | None = None,
    retry_until_up: bool = False,
    secrets: Mapping[str, str] | None = None,
) -> Call[Launched]:
    """A task is on its way to a cluster of its own, or is a further job of `cluster` if that is up. Nothing is bought above the price agreed to.

    Agree by `max_hourly_usd` (USD/hour, all nodes) or by a `plan` that you have looked at; without either only what is free is launched
    (`infra="local"`, or `rehearse=True`, which lets local processes stand in for the instances). `hours` is how long the work takes,
    `secrets` are the values of the task's secrets.
    Returns at once; `logs` follows its output, `wait` its end, and the cluster stays up until `down`.

    Raises:
        SpecError: the task is wrong.
        TooDear: the cheapest plan costs more than was agreed to.
        NoPlan: nothing that can be bought from here will do.
        Refused: the cluster is there and cannot take a job now.
        Unreachable: no daemon answers.
    """
    body = request(task, rehearse=rehearse, hours=hours, catalog=catalog, secrets=secrets)
    agreement = yield from agreed(body, plan, max_hourly_usd)
    body = {**agreement, "cluster": cluster, "retry_until_up": retry_until_up, "secrets": dict(secrets or {})}
    return msgspec.convert((yield Post("/v1/launch", body, starts=True)), Launched)


def exec_(cluster: str, task: AnyTask, *, secrets: Mapping[str, str] | None = None) -> Call[Launched]:
    """The task's `run` is a further job of a cluster that is up, without its setup. Buys nothing. `secrets` are the values of its secrets.

    Raises:
        NotFound: there is no such cluster.
        Refused: it is not up, or has fewer nodes than the task wants.
    """
    answer = yield Post(
        resource(cluster, "exec"),
        {"task": task_to_dict(with_secrets(spec_of(task), secrets or {})), "secrets": dict(secrets or {})},
    )
    return Launched(cluster, int(answer["job_id"]))


def status(*names: str, all: bool = False, refresh: bool = False) -> Call[tuple[Cluster, ...]]:  # noqa: A002  the flag's name
    """The clusters that are there (with `all` also those that ended), or those named. `refresh` asks every cloud first what it still has.

    Raises:
        NotFound: there is none of a name.
    """
    if refresh:
        yield Post("/v1/refresh", {})
    rows = yield Get("/v1/clusters" + ("?all=1" if all else ""), collection=True)
    found = msgspec.convert(rows, tuple[Cluster, ...])
    missing = set(names) - {cluster.name for cluster in found}
    if missing:
        raise NotFound(f"there is no cluster {min(missing)}", "not_found", "status() lists them")
    return tuple(cluster for cluster in found if not names or cluster.name in names)


def queue(cluster: str) -> Call[tuple[Job, ...]]:
    """The cluster's jobs, oldest first, and what each waits for.

    Raises:
        NotFound: there is no such cluster.
    """
    return msgspec.convert((yield Get(resource(cluster, "jobs"))), tuple[Job, ...])


def newest_job(cluster: str, job_id: int | None) -> Call[int]:
    """The job's number, of the newest one when None. Raises NotFound."""
    if job_id is not None:
        return job_id
    jobs = yield from queue(cluster)
    if not jobs:
        raise NotFound(f"{cluster} has no job yet", "not_found", "exec() runs one")
    return max(job.id for job in jobs)


def wait(cluster: str, job_id: int | None = None, *, timeout_s: float | None = None) -> Call[Job]:
    """The job (the newest one when None) once it has ended, well or not: see its `state`.

    Raises:
        NotFound: there is no such cluster or job.
        TimeoutError: it has not ended within `timeout_s` seconds; it goes on.
    """
    wanted = yield from newest_job(cluster, job_id)
    began, pause = time.monotonic(), FIRST_PAUSE_S
    while True:
        job = next((job for job in (yield from queue(cluster)) if job.id == wanted), None)
        if job is None:
            raise NotFound(f"{cluster} has no job {wanted}", "not_found", "queue() lists its jobs")
        if job.state in cluster_job.FINAL:
            return job
        pause = yield from paused(began, pause, timeout_s, f"job {wanted} on {cluster} is {job.state}")


def paused(began: float, pause_s: float, timeout_s: float | None, what: str) -> Call[float]:
    """The next pause in seconds, once this one is over. Raises TimeoutError."""
    left = LONGEST_PAUSE_S if timeout_s is None else timeout_s - (time.monotonic() - began)
    if left <= 0:
        raise TimeoutError(f"{what} after {timeout_s:g} s; it goes on")
    yield Pause(min(pause_s, left))
    return min(pause_s * 1.5, LONGEST_PAUSE_S)


def cancel(cluster: str, *job_ids: int, all: bool = False) -> Call[tuple[int, ...]]:  # noqa: A002  the flag's name
    """The jobs of these numbers (all unfinished ones with `all`) are ending; the cluster stays up. Returns their numbers.

    Raises:
        ValueError: neither numbers nor `all` are given.
        NotFound: there is no such cluster or job.
        Refused: a job has ended already.
    """
    if not job_ids and not all:
        raise ValueError("say which jobs by number, or all=True")
    wanted: Sequence[int] = job_ids
    if all:
        wanted = [job.id for job in (yield from queue(cluster)) if job.state not in cluster_job.FINAL]
    for job_id in wanted:
        yield Post(resource(cluster, "jobs", job_id, "cancel"), {})
    return tuple(wanted)


def down(*names: str, purge: bool = False) -> Call[None]:
    """Nothing is left of these clusters: their jobs have ended, their instances and disks are gone. `purge` forgets them without asking their clouds.

    Raises:
        NotFound: there is no such cluster.
        Refused: a cloud does not let go of it now.
    """
    for name in names:
        yield Post(resource(name, "purge" if purge else "down"), {})


def stop(*names: str) -> Call[None]:
    """The clusters' machines are stopped and their jobs ended; their disks stay and are paid for. Raises NotFound, Refused."""
    for name in names:
        yield Post(resource(name, "stop"), {})


def start(*names: str) -> Call[None]:
    """The stopped clusters are up again. Raises NotFound, Refused."""
    for name in names:
        yield Post(resource(name, "start"), {})


def autostop(
    cluster: str,
    minutes: float | None = 5.0,
    *,
    down: bool = False,
    wait_for: Literal["jobs_and_ssh", "jobs", "none"] = "jobs_and_ssh",
) -> Call[None]:
    """The cluster stops (with `down` ends) once it has been idle for so many minutes; None is never. `wait_for` is what it is not idle during.

    Raises:
        NotFound: there is no such cluster.
    """
    yield Post(resource(cluster, "autostop"), {"minutes": minutes, "down": down, "wait_for": wait_for})


def ports(cluster: str, *numbers: int) -> Call[tuple[str, ...]]:
    """The world reaches these TCP ports of the cluster until it ends: "host:port" of every node and port; without numbers, of all that are open.

    Raises:
        NotFound: there is no such cluster.
        Refused: it has no machine, or its cloud does not open them.
    """
    if numbers:
        yield Post(resource(cluster, "ports"), {"ports": list(numbers)})
    nodes = yield Get(resource(cluster, "endpoints"))
    return tuple(f"{node['host']}:{number}" for node in nodes for number in numbers or node["ports"])


def ssh_command(cluster: str, *command: str, rank: int = 0) -> Call[tuple[str, ...]]:
    """The argument list that logs in to a node, or runs `command` there: for subprocess.run. Its SSH configuration has been written.

    Raises:
        NotFound: there is no such cluster.
        Refused: it runs where there is no login, or has no such rank.
    """
    found = yield from _login(cluster, rank)
    return ssh_arguments(found, cluster, rank, command)


def rsync_command(cluster: str, *arguments: str, rank: int = 0) -> Call[tuple[str, ...]]:
    """The argument list of an rsync in whose `arguments` "NAME:path" is a place on a node of the cluster; NAME is `cluster`, or "CLUSTER-1" of rank 1.

    Raises as `ssh_command`.
    """
    found = yield from _login(cluster, rank)
    return rsync_arguments(found, cluster, rank, arguments)


def _login(cluster: str, rank: int) -> Call[dict[str, Any]]:
    found: dict[str, Any] = yield Post(resource(cluster, "login"), {})
    if not 0 <= rank < len(found["nodes"]):
        raise Refused(f"{cluster} has {len(found['nodes'])} nodes, counted from 0", "request")
    return found


def why(name: str) -> Call[Why]:
    """What a cluster (its name) or managed job (its number or name) waits for, or how it came to its end. Raises NotFound."""
    subject = yield from subject_of(name)
    kind, _, key = subject.partition("/")
    row = yield Get(f"/v1/jobs/{key}" if kind == "job" else resource(key))
    return Why(subject, str(row["state"]), row.get("waiting_for") or "", row.get("why") or "")


def events(name: str) -> Call[tuple[Event, ...]]:
    """Every fact about a cluster (its name) or a managed job (its number or name), oldest first. Raises NotFound."""
    subject = yield from subject_of(name)
    rows = yield Get(f"/v1/events?subject={quote(subject, safe='')}")
    return msgspec.convert(rows, tuple[Event, ...])


def events_path(name: str) -> Call[str]:
    """The resource that streams the subject's events, a line of JSON each. Raises NotFound."""
    subject = yield from subject_of(name)
    return f"/v1/events?subject={quote(subject, safe='')}&follow=1"


def subject_of(name: str) -> Call[str]:
    """What events call this cluster or managed job. Raises NotFound."""
    if any(row["name"] == name for row in (yield Get("/v1/clusters?all=1", collection=True))):
        return f"cluster/{name}"
    found = yield Get("/v1/jobs/named/" + quote(name, safe=""))
    return f"job/{found['job_id']}"


def cost_report() -> Call[tuple[Cost, ...]]:
    """What every cluster has cost so far, rehearsals with what they would have."""
    return msgspec.convert((yield Get("/v1/costs", collection=True)), tuple[Cost, ...])


def reap(*, dry_run: bool = True) -> Call[tuple[tuple[str, str, str], ...]]:
    """(cloud, kind, name) of what carries this data directory's tags at a cloud and no record owns; removed unless `dry_run`."""
    answer = yield Post("/v1/reap", {"dry_run": dry_run}, starts=True)
    return tuple((one["cloud"], one["kind"], one["name"]) for one in answer["found"])


def log_path(cluster: str, job_id: int | None, *, follow: bool, rank: int | None) -> Call[str]:
    """The resource that streams the job's output. Raises NotFound."""
    wanted = yield from newest_job(cluster, job_id)
    chosen = "" if rank is None else f"&rank={rank}"
    return f"{resource(cluster, 'jobs', wanted, 'logs')}?follow={int(follow)}{chosen}"
