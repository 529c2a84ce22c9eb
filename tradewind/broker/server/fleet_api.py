"""The HTTP API of what a person does with clusters that are there."""

from __future__ import annotations

from typing import Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tradewind.broker.server.answers import answer, body
from tradewind.broker.server.fleet import Fleet
from tradewind.broker.server.requests import Refusal
from tradewind.broker.server.ssh_config import is_written, write_ssh_config
from tradewind.broker.server.views import cluster_view
from tradewind.spec.machine import WaitFor


class AutostopRequest(msgspec.Struct, frozen=True):
    """POST /v1/clusters/{name}/autostop: minutes None means never."""

    minutes: float | None = None
    down: bool = False
    wait_for: WaitFor = "jobs_and_ssh"


class PortsRequest(msgspec.Struct, frozen=True):
    """POST /v1/clusters/{name}/ports."""

    ports: list[int]


class ReapRequest(msgspec.Struct, frozen=True):
    """POST /v1/reap."""

    dry_run: Literal[True, False] = True


class FleetApi:
    """The handlers."""

    def __init__(self, fleet: Fleet, data_dir: str) -> None:
        self._fleet, self._data_dir = fleet, data_dir

    async def stop(self, request: Request) -> Response:
        """POST /v1/clusters/{name}/stop: answers once its machines are stopped."""
        return answer(cluster_view(await self._fleet.stop(request.path_params["name"])))

    async def start(self, request: Request) -> Response:
        """POST /v1/clusters/{name}/start: answers once it is up."""
        name = request.path_params["name"]
        started = await self._fleet.start(name)
        if is_written(self._data_dir, name):  # its machines have other addresses now
            await write_ssh_config(self._data_dir, name, await self._fleet.nodes(name), alive=self._fleet.names())
        return answer(cluster_view(started))

    async def autostop(self, request: Request) -> Response:
        """POST /v1/clusters/{name}/autostop."""
        asked = await body(request, AutostopRequest)
        if asked.minutes is not None and not 0 <= asked.minutes < 1e6:
            raise Refusal("minutes must be 0 or more", "request")
        name = request.path_params["name"]
        await self._fleet.autostop(name, asked.minutes, down=asked.down, wait_for=asked.wait_for)
        return answer({})

    async def purge(self, request: Request) -> Response:
        """POST /v1/clusters/{name}/purge."""
        return answer(cluster_view(await self._fleet.purge(request.path_params["name"])))

    async def ports(self, request: Request) -> Response:
        """POST /v1/clusters/{name}/ports."""
        asked = await body(request, PortsRequest)
        if not asked.ports or not all(0 < port < 65536 for port in asked.ports):
            raise Refusal("ports must be numbers from 1 to 65535", "request")
        await self._fleet.open_ports(request.path_params["name"], asked.ports)
        return answer({})

    async def endpoints(self, request: Request) -> Response:
        """GET /v1/clusters/{name}/endpoints: where each node is reached, and its open ports."""
        return answer(await self._fleet.endpoints(request.path_params["name"]))

    async def login(self, request: Request) -> Response:
        """POST /v1/clusters/{name}/login: how to reach each node, and the path of an SSH configuration that says the same."""
        name = request.path_params["name"]
        nodes = await self._fleet.nodes(name)
        config = await write_ssh_config(self._data_dir, name, nodes, alive=self._fleet.names())
        return answer({"config": config, "nodes": nodes})

    async def clouds(self, _request: Request) -> Response:
        """GET /v1/clouds: why each cannot be used by this daemon, "" where it can."""
        return answer(await self._fleet.reasons())

    async def refresh(self, _request: Request) -> Response:
        """POST /v1/refresh: every cloud is asked what it still has."""
        return answer({"remarks": await self._fleet.refresh()})

    async def costs(self, _request: Request) -> Response:
        """GET /v1/costs."""
        return answer(self._fleet.costs())

    async def reap(self, request: Request) -> Response:
        """POST /v1/reap."""
        asked = await body(request, ReapRequest)
        found, remarks = await self._fleet.reap(dry_run=asked.dry_run)
        return answer({"found": found, "remarks": remarks})

    def routes(self) -> list[Route]:
        """What is answered."""
        cluster = "/v1/clusters/{name}"
        posts = {
            f"{cluster}/stop": self.stop,
            f"{cluster}/start": self.start,
            f"{cluster}/autostop": self.autostop,
            f"{cluster}/purge": self.purge,
            f"{cluster}/ports": self.ports,
            f"{cluster}/login": self.login,
            "/v1/refresh": self.refresh,
            "/v1/reap": self.reap,
        }
        return [
            *(Route(path, handler, methods=["POST"]) for path, handler in posts.items()),
            Route("/v1/clouds", self.clouds, methods=["GET"]),
            Route("/v1/costs", self.costs, methods=["GET"]),
            Route(f"{cluster}/endpoints", self.endpoints, methods=["GET"]),
        ]
