"""A driver or worker of a simulated cluster: the real book of calls, objects and actors, and small programs in the place of user code."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from tradewind.runtime import object_ref
from tradewind.runtime.core.calls import CallOptions
from tradewind.runtime.core.dispatch import IDLE_LEASE_S, Call
from tradewind.runtime.core.process import Process
from tradewind.runtime.messages import cluster, control
from tradewind.runtime.messages.values import Method, Shape, Stored
from tradewind.runtime.simulated_executor import SimulatedExecutor, content
from tradewind.runtime.simulated_network import SimulatedLink, side

if TYPE_CHECKING:
    from collections.abc import Callable

    from tradewind.runtime.simulator import SimulatedNode, Simulation

# No link is made of it.
_NO_SOCKET: Any = None


class _Pump:
    """Nobody waits in a simulation."""

    sleeping = False

    def register(self, _fd: int) -> None:
        """There are no descriptors."""

    unregister = register

    def wake(self) -> None:
        """Nobody sleeps."""

    def wait(self, *_arguments: Any) -> bool:
        """A simulated process must not wait."""
        raise AssertionError("a simulated process was to wait")


class _Arena:
    """Stands for ArenaClient. Real bytes, in the node's real arena; nobody waits, so whoever wants room or bytes says what is to be done then."""

    ended: tuple[()] = ()

    def __init__(self, process: SimulatedProcess) -> None:
        self._process = process

    def write(self, data: bytes, name: str, then: Callable[[Stored | None], None]) -> None:
        """Then hears where the bytes stand, or None when there is no room for them."""

        def on_extent(message: control.Extent) -> None:
            if message.offset < 0:
                then(None)
                return
            process = self._process
            process.home.daemon.store.memory[message.offset : message.offset + len(data)] = data
            process.simulation.contents[name] = zlib.crc32(data)
            stored = Stored(process.node, message.offset, len(data), name)
            process.tell_node(control.Seal(stored))
            then(stored)

        self._process.ask_later(lambda request: control.TakeExtent(request, len(data)), on_extent)

    def read(self, stored: Stored, then: Callable[[control.Opened], None]) -> None:
        """Then hears where the bytes stand, which are what was written, or why they cannot be had; it has to close what it was given."""

        def on_opened(message: control.Opened) -> None:
            if message.offset >= 0:
                process = self._process
                data = process.home.daemon.store.memory[message.offset : message.offset + stored.size]
                expected = process.simulation.contents[stored.name]
                assert zlib.crc32(data) == expected, f"{stored.name} is not what was written"
            then(message)

        self._process.ask_later(lambda request: control.Open(request, stored), on_opened)

    def free(self, stored: Stored) -> None:
        """As ArenaClient's."""
        self._process.tell_node(control.Free(stored))

    def on_evict(self, name: str) -> None:
        """Nothing is read in place."""
        self._process.tell_node(control.Evicted(name, granted=True))

    def drain(self) -> None:
        """Nothing was read in place."""

    def close(self) -> None:
        """Nothing to be closed."""


class SimulatedProcess(Process):
    """One process of the cluster. Its messages come through `receive`, its work through `run`."""

    def __init__(self, simulation: Simulation, node: SimulatedNode, address: str, *, is_worker: bool) -> None:
        self.simulation = simulation
        self.home = node
        self._own_address = address
        self.dead = False
        # What was sent over a link whose end here is still on its way.
        self._early: dict[str, list[Any]] = {}
        self._asked: dict[int, Callable[[Any], None]] = {}
        super().__init__(_NO_SOCKET)
        self.address = address
        self.node = node.name
        self.job = address
        self.bytes = _Arena(self)
        arena: Any = self.bytes
        self.arena = arena
        if is_worker:
            self.executor = SimulatedExecutor(self)

    def _make_pump(self) -> Any:
        return _Pump()

    def _make_node_link(self, sock: Any) -> Any:
        del sock
        return SimulatedLink(self.simulation.network, self._own_address, self.home.name)

    def has_link(self, address: str) -> bool:
        """True when the end of that process would be noticed here."""
        found = self.peers.known(address)
        return found is not None and found.link is not None

    def receive(self, source: str, message: Any) -> None:
        """A message has come from the node daemon or from another process."""
        object_ref.bound = self
        if message == "closed" or (isinstance(message, tuple) and message[0] == "closed"):
            self._lose(source if message == "closed" else message[1])
        elif source == self.home.name:
            self._from_node(message)
        else:
            sender = self.peers.get(source, connect=False)
            if sender.link is None and not sender.lost:
                self._early.setdefault(source, []).append(message)
            else:
                self._peer_handlers[message.__class__](sender, message)
        self.finish_turn()

    def _lose(self, address: str) -> None:
        target = self.peers.known(address)
        if target is not None and not target.lost:
            target.link = None
            target.lost = True
            self.tell_node(control.WhyDied(address))

    def linked_to(self, node: str) -> list[str]:
        """The processes of that node to which this one has a link."""
        return [address for address in list(self.peers._peers) if side(address) == node and self.has_link(address)]  # noqa: SLF001

    def _from_node(self, message: Any) -> None:
        if isinstance(message, control.Connected):
            target = self.peers.get(message.process, connect=False)
            if target.link is None and not target.lost:
                link: Any = SimulatedLink(self.simulation.network, self.address, message.process)
                link.peer = target
                target.connecting = False
                self.use(target, link)
                network = self.simulation.network
                if frozenset((self.address, message.process)) in network.broken:
                    self._lose(message.process)
                elif message.process not in self.simulation.processes:
                    # It ended while the link was made.
                    network.put(message.process, self.address, "closed")
                for early in self._early.pop(message.process, ()):
                    self._peer_handlers[early.__class__](target, early)
        elif isinstance(message, (control.Extent, control.Opened)):
            self._asked.pop(message.request)(message)
        elif not isinstance(message, control.Welcome):
            self._node_handlers[message.__class__](message)

    def finish_turn(self) -> None:
        """What follows from the last thing is done and sent."""
        object_ref.bound = self
        if not self.dead:
            self.drain()
            while self.released:  # refs that died with what held them
                self.drain()
            self.flush_all()

    def tick(self, now: float) -> None:
        """Idle workers go back."""
        del now
        if self.leasing.has_idle:
            self.leasing.return_idle(float("inf"), IDLE_LEASE_S)
            self.finish_turn()

    @property
    def can_run(self) -> bool:
        """True when this is a worker with something to do."""
        return self.executor is not None and self.executor.can_run

    def run(self) -> None:
        """The worker's next call has run, or its actor was made."""
        object_ref.bound = self
        self.executor.run()
        self.finish_turn()

    def ask_later(self, make: Callable[[int], Any], then: Callable[[Any], None]) -> None:
        """Then gets the node daemon's answer to make(number)."""
        number = self.next_request()
        self._asked[number] = then
        self.tell_node(make(number))

    # what drivers and programs do

    def put_large(self, refs: list[object_ref.ObjectRef]) -> None:
        """A ref to a large object is appended to refs when there is room for it."""
        key = self.table.create()
        ref = object_ref.ObjectRef(key, self.release)

        def then(stored: Stored | None) -> None:
            if stored is not None:
                self.table.entries[key].value = stored
                refs.append(ref)

        self.bytes.write(content(f"{self.address}:{key}"), f"{self.address}:{key}", then)

    def call(self, program: str, *arguments: Any, retries: int = 3, cpus: float = 1.0) -> object_ref.ObjectRef:
        """The ref of a task that runs the program."""
        object_ref.bound = self
        resources = {"CPU": cpus} if cpus else {}
        options = CallOptions(
            self.leasing.group(Shape(resources)),
            self.calls.function(program, program, resources),
            program,
            1,
            retries,
            retry_exceptions=False,
        )
        ref: Any = self.calls.submit(options, arguments, {})
        return ref  # type: ignore[no-any-return]

    def actor(self, max_restarts: int = 0, max_task_retries: int = 0) -> SimulatedHandle:
        """An actor that is being started, alive as long as the handle."""
        object_ref.bound = self
        spec = cluster.ActorSpec(
            actor=f"{self.address}-{self.table.next_id}", class_name="Kept", code=b"", args=b"", slots=[], placement=Shape({"CPU": 1.0}),
            resources={}, owner=self.address, job=self.job, max_restarts=max_restarts, max_task_retries=max_task_retries,
        )  # fmt: skip
        key = self.table.create()
        entry = self.table.entries[key]
        entry.value = b""
        entry.on_free = lambda: self.actors.out_of_scope(spec.actor)
        target = self.actors.target(spec.actor, "Kept", ordered=True, max_task_retries=max_task_retries)
        self.actors.create(spec, Call(0, None, b"", 1), target, get_if_exists=False)
        return SimulatedHandle(self, target, object_ref.ObjectRef(key, self.release))


class SimulatedHandle:
    """Calls an actor's methods, which are programs."""

    def __init__(self, process: SimulatedProcess, target: Any, ref: object_ref.ObjectRef) -> None:
        self._process = process
        self._target = target
        self._ref = ref

    def call(self, program: str, *arguments: Any) -> object_ref.ObjectRef:
        """The ref of a method call."""
        object_ref.bound = self._process
        ref: Any = self._process.actors.call(self._target, program, arguments, {}, Method(), self._ref)
        return ref  # type: ignore[no-any-return]
