"""The runtime's processes on this instance: started on order, watched, and ended together."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Literal, TypeVar

from tradewind.agent.errors import RefusalError
from tradewind.agent.own_log import note
from tradewind.agent.process_exit import until_gone
from tradewind.agent.protocol import (
    Configure,
    RuntimeHead,
    RuntimeLost,
    RuntimeNode,
    StartRuntimeHead,
    StartRuntimeNode,
)
from tradewind.agent.room import is_full, is_out_of_room

if TYPE_CHECKING:
    from tradewind.runtime.launcher import ClusterCredentials, RuntimeProcess

Role = Literal["head", "node"]
_Launched = TypeVar("_Launched")

_START_DEADLINE_S = 20.0
_STOP_GRACE_S = 0.5  # what a head knows is on its disk; a recovery waits for this
# A name in `resources` that is a size and not something to schedule (Ray's spelling)
_OBJECT_STORE = "object_store_memory"


class RunningRuntime:
    """One head or node daemon, and the order that it answers."""

    def __init__(self, incarnation: str, process: RuntimeProcess, answer: RuntimeHead | RuntimeNode) -> None:
        self.incarnation, self.process, self.answer = incarnation, process, answer
        self.watch: asyncio.Task[None] | None = None


class RuntimeHost:
    """At most one head and one node daemon. Orders are idempotent by incarnation; another incarnation replaces what runs."""

    def __init__(self, home: str, *, state_path: str, emit: Callable[[RuntimeLost], None]) -> None:
        self._home = home
        self._state_path = state_path
        self._emit = emit
        self._running: dict[Role, RunningRuntime] = {}
        self._one_at_a_time = asyncio.Lock()
        # One thread for the agent's whole life: the kernel's parent-death signal fires when the forking *thread* ends (prctl(2)).
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="runtime")

    @property
    def address(self) -> str:
        """What jobs here get as TRADEWIND_ADDRESS; "" while no node daemon runs."""
        node = self._running.get("node")
        return node.answer.address if node is not None else ""

    def warm(self) -> None:
        """Load the runtime's launcher now (a tenth of a second), while the orders that need it are on their way."""
        self._thread.submit(_load_launcher)

    async def start_head(self, order: StartRuntimeHead, place: Configure) -> RuntimeHead:
        """The head of this incarnation runs here. Raises RefusalError when it does not come up."""
        async with self._one_at_a_time:
            if (running := self._running.get("head")) and running.incarnation == order.incarnation:
                assert isinstance(running.answer, RuntimeHead)
                return running.answer
            await self._stop("node")
            await self._stop("head")
            directory = self._directory("head", order.incarnation)

            def launch() -> tuple[RuntimeProcess, ClusterCredentials]:
                from tradewind.runtime.launcher import ClusterCredentials, start_head

                credentials = ClusterCredentials.new(place.cluster)
                return start_head(directory, _own_ip(place), credentials=credentials), credentials

            process, credentials = await self._launch("head", launch)
            answer = RuntimeHead(address=process.address, credentials=credentials.to_bytes())
            self._keep("head", RunningRuntime(order.incarnation, process, answer))
            return answer

    async def start_node(
        self, order: StartRuntimeNode, place: Configure, *, environment: Mapping[str, str], python: str
    ) -> RuntimeNode:
        """The node daemon of this incarnation runs here and has joined. Raises RefusalError when it does not come up."""
        async with self._one_at_a_time:
            if (running := self._running.get("node")) and running.incarnation == order.incarnation:
                assert isinstance(running.answer, RuntimeNode)
                return running.answer
            await self._stop("node")
            directory = self._directory("node", order.incarnation)
            workdir = os.path.join(self._home, "workdir")
            os.makedirs(workdir, exist_ok=True)
            resources = dict(order.resources)
            object_store = resources.pop(_OBJECT_STORE, None)

            def launch() -> RuntimeProcess:
                from tradewind.runtime.launcher import ClusterCredentials, start_node

                return start_node(
                    directory,
                    order.head_address,
                    _own_ip(place),
                    credentials=ClusterCredentials.from_bytes(order.credentials),
                    resources=resources,
                    python=python,
                    working_dir=workdir,
                    labels={"tradewind.rank": str(place.rank)},
                    env=environment,
                    object_store_bytes=None if object_store is None else int(object_store),
                )

            process = await self._launch("node", launch)
            answer = RuntimeNode(address=process.address)
            self._keep("node", RunningRuntime(order.incarnation, process, answer))
            return answer

    async def stop(self) -> None:
        """Neither head nor node daemon runs here."""
        async with self._one_at_a_time:
            await self._stop("node")
            await self._stop("head")

    async def close(self) -> None:
        """As `stop`, and the thread that starts them ends."""
        await self.stop()
        self._thread.shutdown(wait=False)

    async def _launch(self, role: Role, launch: Callable[[], _Launched]) -> _Launched:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_START_DEADLINE_S):
                return await loop.run_in_executor(self._thread, launch)
        except TimeoutError as error:
            raise RefusalError(
                f"the runtime's {role} did not come up within {_START_DEADLINE_S:g} s", "state"
            ) from error
        except Exception as error:  # whatever the launcher raises is its sentence about why there is no runtime
            full = is_out_of_room(error) or is_full(self._state_path)
            why = f"{error or type(error).__name__}{'; the disk is full' if full else ''}"
            raise RefusalError(f"the runtime's {role} could not start: {why}", "room" if full else "state") from error

    def _keep(self, role: Role, running: RunningRuntime) -> None:
        self._running[role] = running
        running.watch = asyncio.create_task(self._watch(role, running), name=f"watch {role}")

    async def _watch(self, role: Role, running: RunningRuntime) -> None:
        try:
            await until_gone(running.process.pid)
        except ProcessLookupError:
            pass  # gone before it could be watched
        status = running.process.poll()
        if self._running.get(role) is running:
            del self._running[role]
            self._emit(RuntimeLost(role, f"the runtime's {role} {_how_it_ended(status)}"))

    async def _stop(self, role: Role) -> None:
        running = self._running.pop(role, None)
        if running is None:
            return
        if running.watch is not None:
            running.watch.cancel()
            await asyncio.wait([running.watch])
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, running.process.stop, _STOP_GRACE_S)
        except Exception as error:  # ending goes on with the rest; the sweep by mark ends what is left
            note(f"stopping the runtime's {role}: {error!r}")

    def _directory(self, role: Role, incarnation: str) -> str:
        safe = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in incarnation)[:64]
        directory = os.path.join(self._state_path, "runtime", f"{role}-{safe}")
        os.makedirs(directory, mode=0o700, exist_ok=True)
        return directory


def _load_launcher() -> None:
    import tradewind.runtime.launcher  # noqa: F401


def _own_ip(place: Configure) -> str:
    return place.node_ips[place.rank]


def _how_it_ended(status: int | None) -> str:
    if status is None:
        return "ended"
    if status < 0:
        try:
            return f"was ended by signal {-status} ({signal.Signals(-status).name})"
        except ValueError:
            return f"was ended by signal {-status}"
    return f"exited with code {status}"
