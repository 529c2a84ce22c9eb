"""The agent: carries out the broker's orders on this instance, and ends the instance when it is told to or its lease runs out."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tradewind import __version__
from tradewind.agent.environment import agent_mark, place_environment
from tradewind.agent.errors import RefusalError
from tradewind.agent.instance_end import end_instance, note_lease
from tradewind.agent.jobs import Jobs
from tradewind.agent.lease import Lease, at_start
from tradewind.agent.own_log import note
from tradewind.agent.processes import end_marked
from tradewind.agent.protocol import (
    PROTOCOL_VERSION,
    AgentFact,
    Answer,
    CancelJob,
    Configure,
    Done,
    EndInstance,
    FindAccelerators,
    Hello,
    LeaseExpired,
    ListJobs,
    Notice,
    Order,
    RenewLease,
    RunHooks,
    RuntimeLost,
    StartJob,
    StartRuntimeHead,
    StartRuntimeNode,
    StopRuntime,
    SyncCheckpoints,
    WatchNotices,
    Welcome,
)
from tradewind.agent.protocol import (
    Jobs as JobList,
)
from tradewind.agent.runtime_host import RuntimeHost
from tradewind.agent.state import EventLog, StateDirectory

if TYPE_CHECKING:
    from tradewind.agent.notices import NoticeWatch

_END_GRACE_S = 3.0


class Agent:
    """One instance's agent, apart from its socket. Made once the home's lock is held."""

    def __init__(self, state: StateDirectory, *, instance_id: str, python: str = sys.executable) -> None:
        self.state = state
        self.instance_id = instance_id
        self.started_unix = time.time()
        self.lease = Lease(at_start(state.read_lease() or 0.0, self.started_unix))
        self.events = EventLog(os.path.join(state.path, "events.jsonl"))
        self._new_event = asyncio.Event()
        self.ending = asyncio.Event()
        self.why_ending = ""
        self._python = python
        self._notices: NoticeWatch | None = None
        self._drains: set[asyncio.Task[None]] = set()
        self._place = state.read_place()
        self.runtime = RuntimeHost(state.home, state_path=state.path, emit=self.emit)
        self.jobs = Jobs(
            state,
            emit=self.emit,
            node_environment=self._node_environment,
            place=lambda: self._place,
            runtime_address=lambda: self.runtime.address,
        )

    async def begin(self) -> None:
        """Keep what jobs of a previous agent of this home saved, end whatever it left running, and say which jobs were lost by that."""
        await self.jobs.keep_left()
        if not end_marked(agent_mark(self.state.home)):
            note("processes of an earlier agent survive SIGKILL")
        await self.jobs.declare_lost()

    def emit(self, fact: AgentFact) -> None:
        """Put a fact on file, then tell every subscriber."""
        self.events.append(fact)
        fresh, self._new_event = self._new_event, asyncio.Event()
        fresh.set()

    async def events_after(self, seq: int) -> None:
        """Return once there is an event after `seq`."""
        while self.events.last_seq <= seq:
            await self._new_event.wait()

    async def carry_out(self, order: Order) -> Answer:
        """Do what the order says. Raises RefusalError. Streams are the connection's business."""
        match order:
            case Hello():
                return self._welcome(order)
            case Configure():
                return self._configure(order)
            case StartRuntimeHead():
                return await self.runtime.start_head(order, self._configured())
            case StartRuntimeNode():
                environment = self._node_environment()
                return await self.runtime.start_node(
                    order, self._configured(), environment=environment, python=self._python
                )
            case StopRuntime():
                await self.runtime.stop()
            case StartJob():
                self._configured()
                await self.jobs.start(order)
            case RunHooks():
                self._configured()
                await self.jobs.run_hooks(order)
            case CancelJob():
                await self.jobs.cancel(order.job_id, order.grace_s)
            case ListJobs():
                return JobList(self.jobs.known(), await self.jobs.usage() if order.usage else {})
            case SyncCheckpoints():
                await self.jobs.sync_checkpoints(order.job_id)
            case RenewLease():
                self._renew(order.until_unix)
            case WatchNotices():
                await self._watch_notices(order)
            case FindAccelerators():
                from tradewind.agent import accelerators  # only machines that were bought with some are asked

                return await asyncio.to_thread(accelerators.find)
            case EndInstance():
                await self.wind_down("the broker ended it")
            case _:
                raise RefusalError(f"{type(order).__name__} is not an order that is answered", "request")
        return Done()

    async def keep_lease(self) -> None:
        """Run until the lease is over; then the agent winds down."""
        await self.lease.expired()
        self.emit(LeaseExpired())
        await self.wind_down("its lease ran out")

    async def wind_down(self, why: str) -> None:
        """Checkpoints are in their stores, no job and no runtime runs; `ending` is set. Whatever fails, the rest is still done."""
        self.why_ending = why
        for part in (self.jobs.cancel_all(_END_GRACE_S), self.runtime.stop()):
            try:
                await part
            except Exception as error:  # an instance must end: it costs money
                note(f"while ending: {error!r}")
        self.ending.set()

    def end_instance(self) -> None:
        """Turn the machine off, where this agent knows how; it has wound down before."""
        end_instance(self.why_ending)

    async def close(self) -> None:
        """The process may end: nothing of the agent is left open."""
        if self._notices is not None:
            await self._notices.stop()
        for drain in self._drains:
            drain.cancel()
        await asyncio.gather(*self._drains, return_exceptions=True)
        await self.runtime.close()
        self.events.close()

    async def _watch_notices(self, order: WatchNotices) -> None:
        if self._notices is None:
            from tradewind.agent.notices import NoticeWatch  # only clouds' machines need its HTTP client

            self._notices = NoticeWatch(self._noticed)
        await self._notices.watch(order)

    def _noticed(self, source: WatchNotices, seconds_left: float) -> None:
        self.emit(Notice(seconds_left))
        drain = asyncio.create_task(self._drain(source, seconds_left), name="drain")
        self._drains.add(drain)
        drain.add_done_callback(self._drains.discard)

    async def _drain(self, source: WatchNotices, seconds_left: float) -> None:
        """The jobs have been told in time, and when the end does not come in its time the broker is."""
        await asyncio.sleep(max(0.0, seconds_left - source.drain_s))
        if not self.jobs.drain("the cloud said that it takes this machine"):
            return
        await asyncio.sleep(min(seconds_left, source.drain_s) + source.overdue_s)
        self.emit(RuntimeLost("node", "its jobs were told that the cloud takes this machine, and it did not"))

    def _welcome(self, order: Hello) -> Welcome:
        if order.protocol_version != PROTOCOL_VERSION:
            raise RefusalError(
                f"this agent (tradewind {__version__}) speaks protocol {PROTOCOL_VERSION}, the broker (tradewind "
                f"{order.tradewind_version}) speaks {order.protocol_version}; install the same version on both sides",
                "version",
            )
        return Welcome(
            protocol_version=PROTOCOL_VERSION,
            tradewind_version=__version__,
            instance_id=self.instance_id,
            pid=os.getpid(),
            started_unix=self.started_unix,
            lease_until_unix=self.lease.until_unix,
            last_seq=self.events.last_seq,
        )

    def _configure(self, order: Configure) -> Done:
        if not 0 <= order.rank < len(order.node_ips):
            raise RefusalError(f"rank {order.rank} is not one of {len(order.node_ips)} nodes")
        self._place = order
        self.state.write_place(order)
        self._renew(order.lease_until_unix)
        self.runtime.warm()
        return Done()

    def _renew(self, until_unix: float) -> None:
        self.state.write_lease(until_unix)
        note_lease(until_unix)
        self.lease.renew(until_unix)

    def _configured(self) -> Configure:
        if self._place is None:
            raise RefusalError("the agent does not know its place yet: send Configure first", "state")
        return self._place

    def _node_environment(self) -> Mapping[str, str]:
        return place_environment(os.environ, self._configured(), home=self.state.home, python=self._python)
