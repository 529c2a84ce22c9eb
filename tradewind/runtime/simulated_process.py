"""A driver or worker of a simulated cluster: the real book of calls, objects and actors, and small programs in the place of user code."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from tradewind.runtime import exceptions, object_ref, serialization
from tradewind.runtime.core.calls import CallOptions
from tradewind.runtime.core.dispatch import IDLE_LEASE_S, Call
from tradewind.runtime.core.objects import dump_error
from tradewind.runtime.core.process import Process
from tradewind.runtime.messages import cluster, control, peer
from tradewind.runtime.messages.values import Failed, Shape, Stored
from tradewind.runtime.simulated_network import SimulatedLink

if TYPE_CHECKING:
    from collections.abc import Callable

    from tradewind.runtime.core.peers import Peer
    from tradewind.runtime.simulator import SimulatedNode, Simulation

# What a task or method can be told to do, by its first argument.
PROGRAMS = ("nothing", "give back", "put", "large", "child", "keep", "drop", "fail")


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
    """Stands for ArenaClient: objects have names and places, and no bytes."""

    ended: tuple[()] = ()

    def __init__(self, process: SimulatedProcess) -> None:
        self._process = process

    def write(self, value: serialization.Serialized, name: str) -> Stored:
        """As ArenaClient's; the extent is had without a question."""
        process = self._process
        offset = process.home.daemon.store.book.take(process.address, value.size)
        if offset is None:
            raise exceptions.ObjectStoreFullError("The simulated arena is full.")
        stored = Stored(process.node, offset, value.size, name)
        process.tell_node(control.Seal(stored))
        return stored

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
        super().__init__(_NO_SOCKET)
        self.address = address
        self.node = node.name
        self.job = address
        arena: Any = _Arena(self)
        self.arena = arena
        if is_worker:
            self.executor = _Executor(self)

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
        if message == "closed":
            target = self.peers.known(source)
            if target is not None and not target.lost:
                target.link = None
                target.lost = True
                self.tell_node(control.WhyDied(source))
        elif source == self.home.name:
            self._from_node(message)
        else:
            sender = self.peers.get(source, connect=False)
            if sender.link is None and not sender.lost:
                self._early.setdefault(source, []).append(message)
            else:
                self._peer_handlers[message.__class__](sender, message)
        self.finish_turn()

    def _from_node(self, message: Any) -> None:
        if isinstance(message, control.Connected):
            target = self.peers.get(message.process, connect=False)
            if target.link is None and not target.lost:
                link: Any = SimulatedLink(self.simulation.network, self.address, message.process)
                link.peer = target
                target.connecting = False
                self.use(target, link)
                if message.process not in self.simulation.processes:
                    # It ended while the link was made.
                    self.simulation.network.put(message.process, self.address, "closed")
                for early in self._early.pop(message.process, ()):
                    self._peer_handlers[early.__class__](target, early)
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
        return self.executor is not None and bool(self.executor.queue)

    def run(self) -> None:
        """The worker's next call has run, or its actor was made."""
        object_ref.bound = self
        self.executor.run()
        self.finish_turn()

    # what drivers and programs do

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
        ref: Any = self._process.actors.call(self._target, program, arguments, {}, 1, -1, self._ref)
        return ref  # type: ignore[no-any-return]


class _Acknowledging:
    """The part of Replies that refs which are unpickled here ask."""

    def __init__(self, executor: _Executor) -> None:
        self._executor = executor

    def expect_acknowledgement(self, owner: str) -> Callable[[], None] | None:
        """As Replies'."""
        executor = self._executor
        if executor.sender is None or owner in (executor.process.address, executor.sender.address):
            return None
        executor.unacknowledged += 1
        return executor.acknowledged


class _Executor:
    """Stands for Executor: one call at a time, each a small program."""

    def __init__(self, process: SimulatedProcess) -> None:
        self.process = process
        self.queue: deque[tuple[Peer | None, Any]] = deque()
        self.replies = _Acknowledging(self)
        self.producing = self
        self.unacknowledged = 0
        self.sender: Peer | None = None
        self.actor: control.BecomeActor | None = None
        self.kept: list[Any] = []
        self.history: list[Any] = []
        self.current = threading.local()
        self._held: list[tuple[Peer, Any]] = []
        self._exit = ""
        self._exit_unneeded = False

    def on_task(self, sender: Peer, task: peer.Task) -> None:
        """A call has come."""
        self.queue.append((sender, task))

    def become_actor(self, message: control.BecomeActor) -> None:
        """The constructor is next."""
        self.actor = message
        self.queue.appendleft((None, message))

    def on_cancel(self, sender: Peer, message: peer.Cancel) -> None:
        """A call that has not begun does not begin."""
        for item in self.queue:
            if item[0] is sender and item[1].id == message.id:
                self.queue.remove(item)
                error = exceptions.TaskCancelledError("cancelled")
                self.process.post(sender, peer.Done(message.id, 0, Failed(dump_error(error))))
                return

    def on_exit(self, reason: str, *, when_unneeded: bool = False) -> None:
        """The worker ends when its calls are done."""
        self._exit, self._exit_unneeded = reason, when_unneeded
        self._end_if_done()

    def lose_peer(self, target: Peer) -> None:
        """A caller has ended: what it asked for is not begun."""
        self.queue = deque(item for item in self.queue if item[0] is not target)
        self._held = [item for item in self._held if item[0] is not target]

    def acknowledged(self) -> None:
        """An owner has entered a ref of ours: results that waited for that go."""
        self.unacknowledged -= 1
        if not self.unacknowledged:
            held, self._held = self._held, []
            for sender, done in held:
                self.process.post(sender, done)
            self._end_if_done()

    def run(self) -> None:
        """The next call has run."""
        sender, task = self.queue.popleft()
        if isinstance(task, control.BecomeActor):
            self.process.tell_node(control.ActorReady(task.actor))
            return
        assert sender is not None
        if (sender.address, task.id) in self.process.simulation.cancelled:
            self.process.simulation.begun_after_cancel.append((sender.address, task.id))
        self.sender = sender
        try:
            done = self._done(sender, task)
        finally:
            self.sender = None
        if self.unacknowledged:
            self._held.append((sender, done))
        else:
            self.process.post(sender, done)
        self._end_if_done()

    def _done(self, sender: Peer, task: peer.Task) -> Any:
        process = self.process
        args, _ = serialization.deserialize(task.args) if task.args else ((), {})  # type: ignore[arg-type]
        arguments = list(args)
        for position, value in task.slots or ():
            if isinstance(value, Failed):
                return peer.Done(task.id, 1, value)
            arguments[position] = f"{len(value)} bytes" if isinstance(value, bytes) else value.name  # type: ignore[index]
        program = task.fn if isinstance(task.fn, str) else serialization.deserialize(sender.functions[task.fn].code)
        try:
            result = self._program(program, arguments)
        except ValueError as error:
            return peer.Done(task.id, 1, Failed(dump_error(error)))
        if result == "large":
            padded = serialization.Serialized(b"\x80" + bytes(200_000))
            worker = process.address.rpartition("/")[2]
            return peer.Done(task.id, 1, process.objects.store(padded, f"{sender.address}:{task.id}@{worker}"))
        serialized = serialization.serialize(result)
        refs = process.objects.keep_for(sender.address, task.id, serialized.refs) if serialized.refs else None
        return peer.Done(task.id, 1, serialized.to_bytes(), refs)

    def _program(self, program: str, arguments: list[Any]) -> Any:
        process = self.process
        if program == "fail":
            raise ValueError("as told")
        if program == "put":
            return [process.objects.put("small")]
        if program == "child":
            return [process.call("nothing", *arguments)]
        if program == "keep":
            self.kept.append(arguments)
            return None
        if program == "drop":
            self.kept.clear()
            return None
        return {"nothing": None, "large": "large"}.get(program, arguments)

    def _end_if_done(self) -> None:
        if not self._exit or self.queue or self._held:
            return
        self.kept.clear()
        self.process.drain()
        if not (self._exit_unneeded and self.process.table.entries):
            self.process.flush_all()
            self.process.simulation.kill_process(self.process.address)

    def timeout(self) -> None:
        """Nobody sleeps."""

    def tick(self, _now: float) -> None:
        """Nothing runs long."""

    def on_consumed(self, _sender: Peer, _message: Any) -> None:
        """No program streams."""
