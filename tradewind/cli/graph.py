"""Several tasks of one file as managed jobs: planned as one, accepted as one, followed as one."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tradewind.cli import exits, managed, notes, planpage, progress, terminal
from tradewind.cli.confirm import confirm
from tradewind.cli.errors import CliError
from tradewind.cli.overrides import is_file

if TYPE_CHECKING:
    from tradewind.cli.daemon import Api
    from tradewind.optimizer.plan import Plan
    from tradewind.spec.workload import Workload


def several(words: Sequence[str], flags: Mapping[str, Any]) -> Workload | None:
    """The tasks of the file that the words name, if it holds more than one.

    Raises:
        SpecError: the file or a flag is wrong, or a task asks what is not there yet.
    """
    import os

    from tradewind.sdk.job_operations import workload_in
    from tradewind.spec import Overrides, load_workload

    if len(words) != 1 or not is_file(words[0]) or not os.path.isfile(words[0]):
        return None
    workload = load_workload(words[0])
    if workload.is_single:
        return None
    load_workload(words[0], overrides=Overrides(**flags))  # refuses flags: they change one task
    return workload_in(words[0])


def accept(
    api: Api, workload: Workload, *, rehearse: bool, catalog: str | None, yes: bool
) -> tuple[Plan, dict[str, Any]]:
    """Plan all tasks as one, show that, ask; the plan, and what every job's request shares.

    Raises:
        CliError: no plan, or not confirmed.
    """
    import msgspec

    from tradewind.optimizer.plan import Plan
    from tradewind.spec import task_to_dict

    shared: dict[str, Any] = {"rehearse": rehearse}
    if catalog is not None:
        import os

        shared["catalog"] = os.path.abspath(catalog)
    body = {"tasks": [task_to_dict(task) for task in workload.tasks], "edges": workload.edges, **shared}
    with progress.waiting("planning"):
        plan = msgspec.convert(api.post("/v1/graphs/plan", body), Plan)
    if not plan.feasible:
        raise CliError(" ".join(plan.why_infeasible) or "nothing in the catalog satisfies the tasks.", exits.NO_PLAN)
    watched = sys.stderr.isatty()
    shown = (
        planpage.page(plan, limit=terminal.width(sys.stderr), colour=terminal.colourful(sys.stderr))
        if watched
        else planpage.headline(plan)
    )
    print(shown, file=sys.stderr)
    if not watched:
        notes.remark(planpage.cheaper_left_out(plan))  # the page has them in its tables
    if rehearse:
        print("Rehearsed: local processes stand in for the instances; nothing is bought.", file=sys.stderr)
    elif plan.hourly_usd > 0:
        confirm(f"Buy {planpage.headline(plan)}, where all run at once?", yes=yes)
    return plan, shared


def submit(
    api: Api,
    workload: Workload,
    plan: Plan,
    shared: Mapping[str, Any],
    *,
    name: str | None,
    key: str | None,
    max_active: int | None,
    secrets: Mapping[str, str],
    market: dict[str, Any] | None,
    not_before_unix: float | None,
    share: str | None,
) -> int:
    """Hand the tasks over as one; the number of their array."""
    from tradewind.spec import task_to_dict

    jobs = []
    for task, placement in zip(workload.tasks, plan.placements, strict=True):
        job: dict[str, Any] = {**shared, "task": task_to_dict(task), "accepted_hourly_usd": placement.hourly_usd}
        job["secrets"] = {secret: secrets[secret] for secret in task.secrets if secret in secrets}
        job |= {} if market is None else {"market": market}
        job |= {} if share is None else {"share": share}
        job |= {} if not_before_unix is None else {"not_before_unix": not_before_unix}
        jobs.append(job)
    body = {
        "jobs": jobs,
        "edges": workload.edges,
        "name": name or workload.header.name,
        "max_active": max_active,
        "client_key": key or uuid.uuid4().hex,
    }
    return int(api.post("/v1/graphs", body)["array_id"])


def launch(api: Api, workload: Workload, *, rehearse: bool, dryrun: bool, catalog: str | None, yes: bool, detach: bool, secrets: Mapping[str, str], **more: Any) -> int:  # fmt: skip
    """Plan, ask, submit and, unless detached, follow to the end; the exit code of the worst end."""
    plan, shared = accept(api, workload, rehearse=rehearse, catalog=catalog, yes=yes or dryrun)
    if dryrun:
        print("Only shown: nothing was bought or started.", file=sys.stderr)
        return exits.OK
    array_id = submit(api, workload, plan, shared, secrets=secrets, **more)
    print(f"graph a{array_id}: {len(workload.tasks)} jobs accepted; `tradewind jobs status a{array_id}` shows them.")
    if detach:
        return exits.OK
    code = managed.follow_array(api, array_id)
    if code != exits.OK:
        for job in api.get(f"/v1/jobs?array={array_id}&limit=100000"):
            if job["state"] != "SUCCEEDED":
                print(f"{job['name']}: {job['state']}{': ' + job['why'] if job['why'] else ''}", file=sys.stderr)
    return code
