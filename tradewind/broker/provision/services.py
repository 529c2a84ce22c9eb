"""What every driver works with: the record, the clock, the providers, and where orders go."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from tradewind.broker.lifecycle.machine import IllegalMove
from tradewind.broker.provider import Provider
from tradewind.broker.provision.boundary import Boundary, no_boundary
from tradewind.broker.provision.copying import CopyBoard
from tradewind.broker.provision.git_source import Repositories
from tradewind.broker.provision.places import Places
from tradewind.broker.provision.usage import UsageBoard
from tradewind.broker.store.database import Store
from tradewind.broker.store.ledger import Ledger
from tradewind.broker.store.orders import Order
from tradewind.broker.store.records import JobRow
from tradewind.broker.store.vault import Vault

T = TypeVar("T")
Clock = Callable[[], float]
FIRST_DELAY_S, MAX_DELAY_S = 0.2, 5.0
log = logging.getLogger("tradewind.broker")


class Services:
    """One daemon's outside world, passed in. `dispatch` is set by whoever owns the drivers.

    `meter` is the clock that bills go by (`clock` if not given), and `gang_hold_s` for how many seconds a part of a gang is kept while the rest of it is tried in the same zone.
    """

    def __init__(
        self,
        store: Store,
        providers: Mapping[str, Provider],
        *,
        clock: Clock,
        meter: Clock | None = None,
        boundary: Boundary = no_boundary,
        gang_hold_s: float = 60.0,
    ) -> None:
        self.store = store
        self.providers = providers
        self.clock = clock
        self._meter = meter or clock
        self.boundary = boundary
        self.gang_hold_s = gang_hold_s
        self.vault = Vault(store.data_dir)
        self.repositories = Repositories(store.data_dir)
        self.places = Places(store.data_dir)
        self.usage = UsageBoard()
        self.copies = CopyBoard()
        self.trace_envs: Callable[[JobRow, str], dict[str, str]] = lambda _job, _phase: {}
        self.dispatch: Callable[[Order], None] = lambda _order: None
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def data_dir(self) -> str:
        """The data directory."""
        return self.store.data_dir

    def path(self, *parts: str) -> str:
        """A path below the data directory."""
        return os.path.join(self.store.data_dir, *parts)

    def now(self) -> float:
        """The Unix second, to the millisecond: what rows hold, so that sums over them are exact."""
        return round(self.clock(), 3)

    def metered(self) -> float:
        """The Unix second by the clock that bills go by: no jump of the wall clock moves it."""
        return round(self._meter(), 3)

    async def apply(self, work: Callable[[Ledger], T], *, patient: bool = True) -> T:
        """What `work` returns once its transaction is on disk; its orders have been handed to the drivers.

        A caller that is cancelled meanwhile does not keep the orders from being handed over. While the record cannot be written (a full
        disk) a `patient` caller waits until it can: what has happened must not be forgotten.

        Raises:
            OperationalError: the record cannot be written, and the caller is not patient.
        """
        delay = FIRST_DELAY_S
        while True:
            applying = self.spawn(self._apply(work), "apply")
            try:
                return await asyncio.shield(applying)
            except asyncio.CancelledError:
                applying.add_done_callback(_unheard)  # its outcome has nobody left to go to
                raise
            except OperationalError as error:
                if not patient:
                    raise
                log.error("the record cannot be written (%s); trying again in %.1f s", error.orig, delay)
                await asyncio.sleep(delay)
                delay = min(MAX_DELAY_S, delay * 2)

    async def _apply(self, work: Callable[[Ledger], T]) -> T:
        now, metered = self.now(), self.metered()

        def transaction(connection: Connection) -> tuple[T, list[Order]]:
            ledger = Ledger(connection, now, metered)
            return work(ledger), ledger.orders

        value, orders = await self.store.transact(transaction)
        for order in orders:
            self.dispatch(order)
        return value

    def spawn(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """A task that is held until it ends."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def stop(self) -> None:
        """Cancel whatever still runs, and wait for it."""
        while tasks := [task for task in self._tasks if task is not asyncio.current_task()]:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(self.places.close)


def _unheard(applied: asyncio.Task[Any]) -> None:
    """Say in one line how a transaction ended whose caller was cancelled meanwhile."""
    if applied.cancelled() or (error := applied.exception()) is None:
        return
    if isinstance(error, IllegalMove):  # the very event that the cancellation overtook
        log.info("it came too late and was ignored: %s", error)
    else:
        log.error("a change of the record failed after its caller had gone: %s: %s", type(error).__name__, error)
