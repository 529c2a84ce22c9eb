"""The HTTP API over a broker. Every answer is JSON or a stream; every refusal is {"error": {"message", "kind", "hint"}}."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from sqlalchemy.exc import OperationalError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tradewind import __version__
from tradewind.broker.lifecycle.machine import IllegalMove
from tradewind.broker.provision.services import log
from tradewind.broker.server import streams
from tradewind.broker.server.answers import answer, body
from tradewind.broker.server.broker import Broker
from tradewind.broker.server.client import API_VERSION
from tradewind.broker.server.fleet import Fleet
from tradewind.broker.server.fleet_api import FleetApi
from tradewind.broker.server.job_routes import JobApi
from tradewind.broker.server.openapi import description
from tradewind.broker.server.queries import flag, number, rank_of
from tradewind.broker.server.requests import (
    ExecRequest,
    LaunchRequest,
    PlanRequest,
    Refusal,
    ShutdownRequest,
    checked_name,
)
from tradewind.broker.server.views import cluster_view, event_view, job_view
from tradewind.broker.store import rows
from tradewind.broker.store.errors import StoreError
from tradewind.broker.store.records import ClusterRow, InstanceRow

HOSTS = frozenset({"tradewind", "localhost"})
Shutdown = Callable[[str], None]
Handler = Callable[["Api", Request], Awaitable[Response]]


def _text(stream: AsyncIterator[bytes]) -> Response:
    return StreamingResponse(stream, media_type="text/plain; charset=utf-8")


class Api:
    """The handlers. `shutdown` is told "now" or "idle"."""

    def __init__(self, broker: Broker, shutdown: Shutdown, started_unix: float) -> None:
        self.broker = broker
        self.fleet = Fleet(broker)
        self._shutdown = shutdown
        self._started_unix = started_unix

    async def hello(self, _request: Request) -> Response:
        """GET /v1/hello."""
        return answer(
            {
                "version": __version__,
                "api": API_VERSION,
                "pid": os.getpid(),
                "data_dir": self.broker.store.data_dir,
                "started_unix": self._started_unix,
                "remarks": self.broker.observer.remarks(),
            }
        )

    async def shutdown(self, request: Request) -> Response:
        """POST /v1/shutdown."""
        asked = await body(request, ShutdownRequest)
        self._shutdown(asked.when)
        return answer({"when": asked.when})

    async def plan(self, request: Request) -> Response:
        """POST /v1/plan."""
        return answer(await self.broker.plans.plan(await body(request, PlanRequest)))

    async def launch(self, request: Request) -> Response:
        """POST /v1/launch."""
        asked = await body(request, LaunchRequest)
        checked_name(asked.cluster)
        name, job_id = await self.broker.launch(asked)
        return answer({"cluster": name, "job_id": job_id})

    # -- clusters ---------------------------------------------------------------------------------------------------------------------

    async def clusters(self, request: Request) -> Response:
        """GET /v1/clusters; with ?all=1 those of which nothing is left, too."""
        live_only = not flag(request, "all")
        listed, live = self.broker.store.read(lambda c: (rows.clusters(c, live_only=live_only), rows.live_instances(c)))
        of: dict[int, list[InstanceRow]] = defaultdict(list)
        for one in sorted(live, key=lambda row: (row.tries, row.rank)):
            of[one.cluster_id].append(one)
        said = self.broker.services.copies.said
        return answer([cluster_view(row, of[row.id], said(row.id)) for row in listed])

    async def cluster(self, request: Request) -> Response:
        """GET /v1/clusters/{name}."""
        return answer(self._cluster(self.broker.cluster(request.path_params["name"])))

    def _cluster(self, row: ClusterRow) -> dict[str, Any]:
        instances = self.broker.store.read(lambda c: rows.instances_of(c, row.id))
        return cluster_view(row, instances, self.broker.services.copies.said(row.id))

    async def down(self, request: Request) -> Response:
        """POST /v1/clusters/{name}/down: answers once nothing is left of it."""
        return answer(cluster_view(await self.broker.down(request.path_params["name"])))

    async def execute(self, request: Request) -> Response:
        """POST /v1/clusters/{name}/exec."""
        asked = await body(request, ExecRequest)
        return answer({"job_id": await self.broker.execute(request.path_params["name"], asked.task, asked.secrets)})

    async def cluster_jobs(self, request: Request) -> Response:
        """GET /v1/clusters/{name}/jobs."""
        cluster = self.broker.cluster(request.path_params["name"])
        listed = self.broker.store.read(lambda c: rows.jobs_of(c, cluster.id))
        waiting = [job.id for job in listed if job.state == "PENDING"]
        busy = any(job.started_unix is not None and job.ended_unix is None for job in listed)
        first = None if busy or not waiting else waiting[0]
        now = next((job.id for job in listed if job.ended_unix is None), None)
        said = self.broker.services.copies.said(cluster.id)
        return answer(
            [job_view(job, cluster, is_next=job.id == first, copying=said if job.id == now else "") for job in listed]
        )

    async def cluster_job_logs(self, request: Request) -> Response:
        """GET /v1/clusters/{name}/jobs/{id}/logs."""
        cluster, job = self.broker.job(request.path_params["name"], number(request, "id") or 0)
        offset = number(request, "offset", 0) or 0
        rank = rank_of(request, cluster.task.num_nodes)
        follow = flag(request, "follow")
        return _text(streams.job_log(self.broker, job, cluster.task.num_nodes, follow=follow, offset=offset, rank=rank))

    async def cancel_cluster_job(self, request: Request) -> Response:
        """POST /v1/clusters/{name}/jobs/{id}/cancel."""
        await self.broker.cancel_job(request.path_params["name"], number(request, "id") or 0)
        return answer({})

    async def events(self, request: Request) -> Response:
        """GET /v1/events?subject=&after=&follow=: a list, or lines of JSON with follow, or server-sent events to who accepts them."""
        about = streams.subject_of(self.broker, request.query_params.get("subject"))
        after = number(request, "after", 0) or 0
        if "text/event-stream" in request.headers.get("accept", ""):
            last = request.headers.get("last-event-id", "")  # a client that lost the connection says how far it was
            told = streams.server_sent(self.broker, about, int(last) if last.isdigit() else after)
            return StreamingResponse(told, media_type="text/event-stream", headers={"Cache-Control": "no-store"})
        if flag(request, "follow"):
            followed = streams.followed_facts(self.broker, about, after)
            return StreamingResponse(followed, media_type="application/x-ndjson")
        return answer([event_view(fact) for fact in streams.facts(self.broker, about, after)])


def _routes(api: Api) -> list[Route]:
    def get(path: str, handler: Callable[[Request], Awaitable[Response]]) -> Route:
        return Route(path, handler, methods=["GET"])

    def post(path: str, handler: Callable[[Request], Awaitable[Response]]) -> Route:
        return Route(path, handler, methods=["POST"])

    cluster = "/v1/clusters/{name}"
    routes = [
        get("/v1/hello", api.hello),
        post("/v1/shutdown", api.shutdown),
        post("/v1/plan", api.plan),
        post("/v1/launch", api.launch),
        get("/v1/clusters", api.clusters),
        get(cluster, api.cluster),
        post(f"{cluster}/down", api.down),
        post(f"{cluster}/exec", api.execute),
        get(f"{cluster}/jobs", api.cluster_jobs),
        get(f"{cluster}/jobs/{{id}}/logs", api.cluster_job_logs),
        post(f"{cluster}/jobs/{{id}}/cancel", api.cancel_cluster_job),
        get("/v1/events", api.events),
        *FleetApi(api.fleet, api.broker.store.data_dir).routes(),
        *JobApi(api.broker).routes(),
    ]

    async def described(_request: Request) -> Response:
        """GET /v1/openapi.json: this description."""
        return answer(description(routes))

    routes.append(get("/v1/openapi.json", described))
    return routes


class Guard:
    """Refuses what does not come from our own client: a foreign Host, or any Origin (a browser's page)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            host = headers.get(b"host", b"").decode("latin-1").partition(":")[0]
            if host not in HOSTS or b"origin" in headers:
                refused = Refusal("this socket answers tradewind's own client only", "forbidden")
                await answer(refused.body(), refused.status)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def make_app(api: Api) -> ASGIApp:
    """The ASGI application."""

    async def on_refusal(_request: Request, error: Exception) -> Response:
        assert isinstance(error, Refusal), "registered for it"
        return answer(error.body(), error.status)

    async def on_illegal(_request: Request, error: Exception) -> Response:
        return answer(Refusal(str(error), "state").body(), 409)

    async def on_store(_request: Request, error: Exception) -> Response:
        return answer(Refusal(str(error), "store").body(), 503)

    async def on_full(_request: Request, error: Exception) -> Response:
        log.error("the record cannot be written: %s", error)
        said = f"the record cannot be read or written ({getattr(error, 'orig', error)})"
        return answer(Refusal(said, "store", "look at the disk of the data directory").body(), 503)

    async def on_missing(_request: Request, _error: Exception) -> Response:
        return answer(Refusal("there is no such resource", "not_found").body(), 404)

    async def on_bug(request: Request, error: Exception) -> Response:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        said = f"the daemon failed on this request ({type(error).__name__}); daemon.log in its data directory says more"
        return answer(Refusal(said, "internal").body(), 500)

    app = Starlette(
        routes=_routes(api),
        exception_handlers={
            Refusal: on_refusal,
            IllegalMove: on_illegal,
            StoreError: on_store,
            OperationalError: on_full,
            404: on_missing,
            405: on_missing,
            Exception: on_bug,
        },
    )
    return Guard(app)
