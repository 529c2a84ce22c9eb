"""The API's handlers for managed jobs, arrays, spending and figures."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, get_args

import msgspec
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tradewind.broker.lifecycle import managed_job as mm
from tradewind.broker.observe.figures import CONTENT_TYPE
from tradewind.broker.provision.told import split_key
from tradewind.broker.server import streams
from tradewind.broker.server.answers import answer, body
from tradewind.broker.server.broker import Broker
from tradewind.broker.server.desk import Change
from tradewind.broker.server.queries import flag, number, rank_of
from tradewind.broker.server.requests import (
    ArrayRequest,
    GraphPlanRequest,
    GraphRequest,
    JobRequest,
    Refusal,
    checked_name,
)
from tradewind.broker.server.views import managed_job_view
from tradewind.broker.store import arrays, costs, forecast, listing, rows, waiting
from tradewind.broker.store.records import ClusterRow, ManagedJobRow

Handler = Callable[[Request], Awaitable[Response]]


class JobApi:
    """The handlers."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker

    async def submit(self, request: Request) -> Response:
        """POST /v1/jobs: a managed job; the same `client_key`, or header Idempotency-Key, is the same job."""
        asked = _keyed(request, await body(request, JobRequest))
        checked_name(asked.name)
        return answer({"job_id": await self.broker.submit(asked)})

    async def jobs(self, request: Request) -> Response:
        """GET /v1/jobs?state=&unfinished=&name=&array=&before=&limit=: the newest that fit, oldest first."""
        return answer(self.broker.desk.list_jobs(_filter(request)))

    async def named(self, request: Request) -> Response:
        """GET /v1/jobs/named/{word}: the id of the job of this number, or the newest of this name."""
        word = request.path_params["word"]
        job_id = self.broker.store.read(lambda c: listing.named(c, word))
        if job_id is None:
            raise Refusal(
                f"there is no managed job {word[:80]}", "not_found", "`tradewind jobs queue --all` lists them"
            )
        return answer({"job_id": job_id})

    async def job(self, request: Request) -> Response:
        """GET /v1/jobs/{id}."""
        row = self._row(request)
        attempts = self.broker.store.read(lambda c: rows.attempts_of(c, row.id))
        said = "" if row.cluster_id is None else self.broker.services.copies.said(row.cluster_id)
        view = managed_job_view(row, self._cluster_of(row), attempts, said)
        return answer(view | {"waiting_for": self.broker.desk.waiting_for(row) or view["waiting_for"]})

    def _row(self, request: Request) -> ManagedJobRow:
        return self.broker.managed_job(number(request, "id") or 0)

    def _cluster_of(self, row: ManagedJobRow) -> ClusterRow | None:
        cluster_id = row.cluster_id
        return None if cluster_id is None else self.broker.store.read(lambda c: rows.cluster(c, cluster_id))

    async def logs(self, request: Request) -> Response:
        """GET /v1/jobs/{id}/logs?follow=&rank=."""
        row = self._row(request)
        rank = rank_of(request, row.task.num_nodes)
        output = streams.managed_log(self.broker, row.id, follow=flag(request, "follow"), rank=rank)
        return StreamingResponse(output, media_type="text/plain; charset=utf-8")

    async def bill(self, request: Request) -> Response:
        """GET /v1/jobs/{id}/bill."""
        return answer(self.broker.bill(number(request, "id") or 0))

    def change(self, change: Change) -> Handler:
        """The handler of POST /v1/jobs/{id}/CHANGE."""

        async def handler(request: Request) -> Response:
            job_id = self._row(request).id
            if change == "retry":
                await self._new_budget(request, job_id)
            await self.broker.desk.change(job_id, change)
            return answer({})

        handler.__doc__ = f"POST /v1/jobs/{{id}}/{change}."
        return handler

    async def _new_budget(self, request: Request, job_id: int) -> None:
        text = request.query_params.get("budget_usd")
        if text is None:
            return
        try:
            budget = float(text)
        except ValueError:
            budget = 0.0
        if not 0 < budget < float("inf"):
            raise Refusal(f"budget_usd must be a number above 0, not {text[:40]!r}", "request")
        await self.broker.services.apply(
            lambda ledger: rows.update_managed_job(ledger.connection, job_id, budget_usd=budget, warned=0)
        )

    # -- arrays -----------------------------------------------------------------------------------------------------------------------

    async def submit_array(self, request: Request) -> Response:
        """POST /v1/arrays: one job for every map of variables."""
        asked = await body(request, ArrayRequest)
        asked = msgspec.structs.replace(asked, job=_keyed(request, asked.job))
        checked_name(asked.job.name)
        pinned = msgspec.structs.replace(asked.job, task=await self.broker.pinned(asked.job.task))
        array_id = await self.broker.desk.submit_array(msgspec.structs.replace(asked, job=pinned))
        return answer({"array_id": array_id, "job_ids": self.broker.store.read(lambda c: arrays.members(c, array_id))})

    async def array(self, request: Request) -> Response:
        """GET /v1/arrays/{id}: its progress."""
        desk = self.broker.desk
        return answer(desk.array_view(desk.array(number(request, "id") or 0)))

    async def arrays(self, request: Request) -> Response:
        """GET /v1/arrays?ids=1,2: these arrays with their progress."""
        ids = [int(word) for word in request.query_params.get("ids", "").split(",") if word.isdigit()]
        found = self.broker.store.read(lambda c: arrays.arrays(c, ids))
        return answer([self.broker.desk.array_view(row) for row in found])

    def change_array(self, change: Change) -> Handler:
        """The handler of POST /v1/arrays/{id}/CHANGE."""

        async def handler(request: Request) -> Response:
            return answer(await self.broker.desk.change_array(number(request, "id") or 0, change))

        handler.__doc__ = f"POST /v1/arrays/{{id}}/{change}: every job of it whose state allows it."
        return handler

    async def plan_graph(self, request: Request) -> Response:
        """POST /v1/graphs/plan: one plan for several tasks, some of which come after others."""
        return answer(await self.broker.graphs.plan(await body(request, GraphPlanRequest)))

    async def submit_graph(self, request: Request) -> Response:
        """POST /v1/graphs: a job for every task; each starts once those before it have succeeded. The answer is an array's."""
        asked = await body(request, GraphRequest)
        for name in (asked.name, *(job.name for job in asked.jobs)):
            checked_name(name)
        array_id = await self.broker.graphs.submit(asked)
        return answer({"array_id": array_id, "job_ids": self.broker.store.read(lambda c: arrays.members(c, array_id))})

    # -- figures ----------------------------------------------------------------------------------------------------------------------

    async def summary(self, _request: Request) -> Response:
        """GET /v1/summary: jobs by state, what is spent an hour and in all, and the limits."""
        now = self.broker.services.metered()
        counts = self.broker.store.read(listing.counts)
        load = self.broker.store.read(waiting.load)
        spent = self.broker.store.read(lambda c: costs.totals(c, now))
        worlds = {
            name: {
                "active": load[world].count,
                "planned_usd_h": load[world].hourly_usd,
                "usd_h": float(spent[world].usd_h),
                "spent_usd": float(spent[world].usd),
            }
            for name, world in (("real", False), ("rehearsed", True))
        }
        limits: dict[str, Any] = msgspec.to_builtins(self.broker.desk.limits())
        return answer({"states": counts, **worlds, "limits": limits})

    async def usage(self, _request: Request) -> Response:
        """GET /v1/usage: what each running job uses, as its nodes' agents told in the last half minute."""
        found = self.broker.services.usage.by_job(self.broker.services.now())

        def named(connection: Connection) -> list[dict[str, Any]]:
            lines = []
            for key, used in found.items():
                cluster_id, job_id = split_key(key)
                job, cluster = rows.job(connection, cluster_id, job_id), rows.cluster(connection, cluster_id)
                if job is not None and cluster is not None:
                    whose = {"cluster": cluster.name, "job_id": job_id, "managed_job_id": job.managed_job_id}
                    lines.append(whose | msgspec.to_builtins(used))
            return lines

        return answer(self.broker.store.read(named))

    async def spend(self, request: Request) -> Response:
        """GET /v1/spend?by=job|name|cloud|region|day|label:KEY&rehearsed=: and what is still to come until all has ended."""
        by = request.query_params.get("by", "job")
        if not costs.is_group(by):
            raise Refusal(f"by must be one of {', '.join(get_args(costs.By))}, label:KEY, not {by[:40]!r}", "request")
        services, rehearsed = self.broker.services, flag(request, "rehearsed")
        now, metered = services.now(), services.metered()
        report = self.broker.store.read(lambda c: costs.report(c, by, rehearsed=rehearsed, now=metered))
        to_come = self.broker.store.read(lambda c: forecast.forecast(c, rehearsed=rehearsed, now=now))
        return answer(msgspec.to_builtins(report) | {"forecast": msgspec.to_builtins(to_come)})

    async def metrics(self, _request: Request) -> Response:
        """GET /v1/metrics: Prometheus' text format."""
        now = self.broker.services.metered()
        return Response(self.broker.store.read(lambda c: self.broker.figures.page(c, now)), media_type=CONTENT_TYPE)

    def routes(self) -> list[Route]:
        """Every route; those with a fixed word before those with a number."""
        job, array = "/v1/jobs/{id:int}", "/v1/arrays/{id:int}"
        table: list[tuple[str, str, Handler]] = [
            ("POST", "/v1/jobs", self.submit),
            ("GET", "/v1/jobs", self.jobs),
            ("GET", "/v1/jobs/named/{word}", self.named),
            ("GET", job, self.job),
            ("GET", f"{job}/logs", self.logs),
            ("GET", f"{job}/bill", self.bill),
            *(("POST", f"{job}/{change}", self.change(change)) for change in get_args(Change)),
            ("POST", "/v1/arrays", self.submit_array),
            ("GET", "/v1/arrays", self.arrays),
            ("GET", array, self.array),
            *(("POST", f"{array}/{change}", self.change_array(change)) for change in get_args(Change)),
            ("POST", "/v1/graphs/plan", self.plan_graph),
            ("POST", "/v1/graphs", self.submit_graph),
            ("GET", "/v1/summary", self.summary),
            ("GET", "/v1/usage", self.usage),
            ("GET", "/v1/spend", self.spend),
            ("GET", "/v1/metrics", self.metrics),
        ]
        return [Route(path, handler, methods=[method]) for method, path, handler in table]


def _keyed(request: Request, asked: JobRequest) -> JobRequest:
    key = asked.client_key or request.headers.get("idempotency-key") or None
    return msgspec.structs.replace(asked, client_key=key)


def _filter(request: Request) -> listing.Filter:
    states = tuple(word.upper() for word in request.query_params.get("state", "").split(",") if word)
    unknown = [state for state in states if state not in mm.STATES]
    if unknown:
        raise Refusal(f"there is no state {unknown[0][:40]}; there are {', '.join(mm.STATES)}", "request")
    if flag(request, "unfinished"):
        states = (*states, *listing.UNFINISHED)
    limit = number(request, "limit", listing.PAGE) or 0
    if not 0 < limit <= 100_000:
        raise Refusal("limit must be from 1 to 100000", "request")
    return listing.Filter(
        states=states,
        name=request.query_params.get("name"),
        array_id=number(request, "array"),
        before=number(request, "before"),
        limit=limit,
    )
