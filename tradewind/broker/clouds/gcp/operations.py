"""Waiting for Google's operations, by polling: a call that blocked until the end would hold a thread and could not be given up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tradewind.broker.clouds.gcp.errors import refusal
from tradewind.broker.clouds.gcp.session import CALL_TIMEOUT_S, Session
from tradewind.broker.clouds.turns import Turns

WAIT_S = 600.0
MAX_INTERVAL_S = 5.0


class Operations:
    """Awaits Compute Engine's and Cloud TPU's operations."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def done(self, operation: Any) -> None:
        """The Compute Engine operation has succeeded. Raises ProviderError with its own code if it failed, TIME_OUT after ten minutes."""
        from tradewind.broker.clouds.gcp.translate import of_operation

        def read() -> Any:
            retry, project = self._session.retry(), self._session.project
            if operation.zone:
                zone = operation.zone.rsplit("/", 1)[-1]
                return self._session.compute("ZoneOperationsClient").get(
                    project=project, zone=zone, operation=operation.name, retry=retry, timeout=CALL_TIMEOUT_S
                )
            return self._session.compute("GlobalOperationsClient").get(
                project=project, operation=operation.name, retry=retry, timeout=CALL_TIMEOUT_S
            )

        seen = await self._until(operation, lambda one: _name(one.status) == "DONE", read)
        if (error := of_operation(seen)) is not None:
            raise error

    async def done_tpu(self, operation: Any) -> None:
        """The Cloud TPU operation has succeeded. Raises ProviderError with its own code if it failed, TIME_OUT after ten minutes."""
        from tradewind.broker.clouds.gcp.translate import of_long_running

        def read() -> Any:
            return self._session.tpus().get_operation(
                {"name": operation.name}, retry=self._session.retry(), timeout=CALL_TIMEOUT_S
            )

        seen = await self._until(operation, lambda one: bool(one.done), read)
        if (error := of_long_running(seen)) is not None:
            raise error

    async def _until(self, operation: Any, ended: Callable[[Any], bool], read: Callable[[], Any]) -> Any:
        """The operation as it is told of when it has ended."""
        seen: Any = None
        late = refusal("TIME_OUT", f"the operation {operation.name} did not end within {WAIT_S:.0f} s")
        first = self._session.settings.poll_interval_s
        async for _ in Turns(first, within_s=WAIT_S, late=late, growth=1.3, longest_s=MAX_INTERVAL_S):
            seen = operation if seen is None else await self._session.call(read)
            if ended(seen):
                return seen
        raise late


def _name(status: Any) -> str:
    return status if isinstance(status, str) else status.name
