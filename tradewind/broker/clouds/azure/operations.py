"""Azure's long-running operations, awaited by polling: the SDK's own pollers would hold a thread each for minutes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tradewind.broker.clouds.azure.errors import refusal
from tradewind.broker.clouds.azure.session import Session

WAIT_S = 1200.0


class Started(msgspec.Struct, frozen=True):
    """A call that was accepted: what it answered, and where its operation is told of ("" when it was done at once)."""

    body: Any
    status_url: str = ""
    location_url: str = ""
    retry_after_s: float | None = None


class Operations:
    """Starts operations and awaits them (learn.microsoft.com/azure/azure-resource-manager/management/async-operations)."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def begin(self, method: Callable[..., Any], *arguments: Any, **options: Any) -> Started:
        """The operation is accepted. `method` is one of the SDK's `begin_...`. Raises ProviderError if it is refused at once."""

        def call() -> Started:
            headers: dict[str, str] = {}

            def see(response: Any) -> None:
                headers.clear()
                headers.update({name.lower(): value for name, value in response.http_response.headers.items()})

            body = method(*arguments, polling=False, raw_response_hook=see, **options).result()
            after = headers.get("retry-after", "")
            return Started(
                body,
                headers.get("azure-asyncoperation", ""),
                headers.get("location", ""),
                float(after) if after.isdigit() else None,
            )

        return await self._session.call(call)

    async def done(self, started: Started) -> None:
        """The operation has succeeded. Raises ProviderError with its own code if it failed, TIME_OUT after twenty minutes."""
        address = started.status_url or started.location_url
        if not address:
            return
        interval = self._session.settings.poll_interval_s
        wait = min(started.retry_after_s if started.retry_after_s is not None else interval, 15.0)
        deadline = time.monotonic() + WAIT_S
        while True:
            if time.monotonic() > deadline:
                raise refusal(
                    "TIME_OUT", f"an operation of Azure did not end within {WAIT_S:.0f} s: {address.partition('?')[0]}"
                )
            await asyncio.sleep(max(wait, min(interval, 0.5)))
            status, body = await self._session.call(lambda: self._read(address))
            if _finished(status, body, by_status=bool(started.status_url)):
                return

    async def carry_out(self, method: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """`begin` and `done` in one; returns what the first call answered."""
        started = await self.begin(method, *arguments, **options)
        await self.done(started)
        return started.body

    def _read(self, address: str) -> tuple[int, Mapping[str, Any]]:
        from azure.core.rest import HttpRequest

        response = self._session.compute().send_request(HttpRequest("GET", address))
        try:
            body = response.json()
        except ValueError:
            body = {}
        return response.status_code, body if isinstance(body, Mapping) else {}


def _finished(status: int, body: Mapping[str, Any], *, by_status: bool) -> bool:
    """Whether the operation is over; raises ProviderError if it failed. Pure."""
    from tradewind.broker.clouds.azure.translate import of_body

    if status >= 400:
        raise of_body(body.get("error"), status)
    if not by_status:
        return status != 202
    said = str(body.get("status", "InProgress"))
    if said in ("Failed", "Canceled", "Cancelled"):
        raise of_body(body.get("error"), status)
    return said == "Succeeded"
