"""A cluster without sockets, clocks or processes: the real head, node daemons and ownership of calls and objects, and messages in any order.

What is replaced: links are queues, of which the caller says which one moves next; workers run no Python but small programs of puts, calls and
refs; time passes only when nothing else can happen. Every decision is the runtime's own code, so what goes wrong here goes wrong there.
A link keeps its order, as a stream does; a death loses what was on its way. What a head and its nodes may say twice can be said twice.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from tradewind.runtime.head.control_store import ControlStore
from tradewind.runtime.head.local import apply
from tradewind.runtime.messages import cluster, control
from tradewind.runtime.messages.values import Death
from tradewind.runtime.node.daemon import DaemonSettings, NodeDaemon
from tradewind.runtime.node.workers import Driver, TemplateSettings, Worker, WorkerPool
from tradewind.runtime.simulated_network import Choose, Network, SimulatedLink, SimulatedLoop
from tradewind.runtime.simulated_process import SimulatedProcess

_ARENA_BYTES = 1 << 28


class _Workers:
    """Stands for WorkerPool: workers are simulated processes, ready and dead when the network says so."""

    def __init__(self, node: SimulatedNode) -> None:
        self._node = node
        self._numbers = itertools.count(1)
        self.workers: dict[int, Worker] = {}
        self.idle: list[Worker] = []
        self.template_failed = ""

    def fork(self, job: str = "", environment: Any = None) -> Worker:
        """As WorkerPool's."""
        node = self._node
        number = next(self._numbers)
        address = f"{node.name}/w{number}"
        link: Any = SimulatedLink(node.network, node.name, address)
        worker = Worker(number, address, link, pid=0, job=job, environment=environment)
        link.peer = worker
        self.workers[number] = worker
        node.simulation.add_process(node, address, worker)
        node.network.put(node.name, node.name, ("ready", number))
        return worker

    take_idle = WorkerPool.take_idle

    def on_ready(self, number: int) -> None:
        """The fork has been made."""
        worker = self.workers.get(number)
        if worker is not None:
            worker.ready = True
            waiting, worker.when_ready = worker.when_ready, []
            for ready in waiting:
                ready()

    def kill(self, worker: Worker, reason: str) -> None:
        """As WorkerPool's; the end comes as a message of its own."""
        if not worker.ended:
            worker.kill_reason = worker.kill_reason or reason
            self._node.simulation.kill_process(worker.address)

    def end(self, worker: Worker, reason: str) -> None:
        """The worker is gone, and the daemon knows."""
        if worker.ended:
            return
        worker.ended = True
        self.workers.pop(worker.number, None)
        if worker in self.idle:
            self.idle.remove(worker)
        reason = worker.kill_reason or worker.intended or reason
        self._node.daemon._on_worker_end(  # noqa: SLF001  the pool's callback, which is not public
            worker, Death(worker.address, 0, self._node.name, reason, clean=bool(worker.intended))
        )

    def start(self) -> None:
        """There is no template."""

    def close(self) -> None:
        """Nothing to be closed."""


class _HeadPort:
    """A node's way to the head."""

    def __init__(self, node: SimulatedNode) -> None:
        self._node = node

    def send(self, message: Any) -> None:
        """As RemoteHead's."""
        self._node.network.put(self._node.name, "head", message)

    def close(self) -> None:
        """Nothing to be closed."""


class _Neighbours:
    """A node's way to the others."""

    def __init__(self, node: SimulatedNode) -> None:
        self._node = node
        daemon = node.daemon
        self.handlers: dict[type, Callable[[str, Any], None]] = {
            cluster.AskWorker: daemon.granting.asked,
            cluster.OfferWorker: daemon.granting.offered,
            cluster.DropCopy: lambda _node, message: daemon.store.drop_copy(message.name),
            cluster.YieldLease: daemon.granting.yield_there,
            cluster.DropLease: lambda _node, message: daemon.granting.drop(message.lease),
            cluster.AskDeath: lambda source, message: daemon.deaths.asked(source, message.process),
            cluster.TellDeath: lambda _node, message: daemon.deaths.told(message.death),
            cluster.FreeThere: lambda _node, message: daemon.store.free(message.stored),
            cluster.KillThere: lambda _node, message: daemon.kill_process(message.process, message.reason),
        }

    def send(self, node: str, message: Any) -> None:
        """As TlsNeighbours'."""
        network = self._node.network
        if node in network.endpoints:
            network.put(self._node.name, node, message)
        elif isinstance(message, cluster.AskDeath):
            daemon = self._node.daemon
            daemon.loop.soon(lambda: daemon.deaths.told(Death(message.process, 0, node, "its node was lost")))
        elif isinstance(message, cluster.AskWorker):
            daemon = self._node.daemon
            daemon.loop.soon(lambda: daemon.granting.offered(node, cluster.OfferWorker(message.request, 0)))

    def tunnel(self, sock: Any, node: str, to_process: str, from_process: str) -> None:
        """As TlsNeighbours': the other node hands its end to its process, if that lives."""
        sock.close()
        network = self._node.network
        if node in network.endpoints:
            network.put(self._node.name, node, ("tunnel", (to_process, from_process)))
        else:
            network.put(to_process, from_process, "closed")

    def see(self, _nodes: Any) -> None:
        """The network knows who there is."""

    def pull(self, stored: Any, offset: int, done: Callable[[str], None]) -> None:
        """The bytes come at once: it is who holds them that is simulated."""
        simulation = self._node.simulation
        there = simulation.nodes.get(stored.node)
        found = there is not None and there.daemon.store.book.knows(stored.name)
        del offset
        if there is not None and found:
            there.daemon.store.copied(stored.name, self._node.name)
        self._node.daemon.loop.soon(lambda: done("" if found else f"the object {stored.name} is not there any more"))

    def lose(self, _node: str, _reason: str) -> None:
        """Nothing is kept of it."""

    def forget_all(self) -> None:
        """There are no links of its own."""

    def close(self) -> None:
        """Nothing to be closed."""


class SimulatedNode:
    """A real node daemon on simulated links."""

    def __init__(self, simulation: Simulation, name: str, cpus: float) -> None:
        self.simulation = simulation
        self.network = simulation.network
        self.name = name
        loop: Any = SimulatedLoop(self.network)
        self.loop = loop
        settings = DaemonSettings(
            node=name, host=name, total={"CPU": cpus}, labels={}, arena_bytes=_ARENA_BYTES,
            template=TemplateSettings("", [], [], "", {}, by_value=True, mark=name), end_with_driver=False,
        )  # fmt: skip
        self.daemon = NodeDaemon(loop, settings)
        workers: Any = _Workers(self)
        self.workers = workers
        self.daemon.workers = workers
        self.daemon.head = _HeadPort(self)
        self.daemon.neighbours = self.neighbours = _Neighbours(self)
        simulation.network.endpoints[name] = self.receive

    def receive(self, source: str, message: Any) -> None:
        """A message has come: from the head, another node, or a process of this one."""
        daemon = self.daemon
        if isinstance(message, tuple):
            self._happened(*message)
        elif source == "head":
            daemon.on_head(message)
        elif source in daemon.processes:
            who = daemon.processes[source]
            daemon._handlers[message.__class__](who, message)  # noqa: SLF001  what the daemon's own link would do
        elif source in self.simulation.nodes or source in self.simulation.lost:
            handler = self.neighbours.handlers.get(message.__class__)
            if handler is not None and source not in self.simulation.lost:
                handler(source, message)
        self.turn()

    def _happened(self, what: str, subject: Any) -> None:
        if what == "tunnel":
            sock = self.daemon.accept_tunnel(*subject)
            if sock is None:
                self.network.put(subject[0], subject[1], "closed")
            else:
                sock.close()
        elif what == "ready":
            self.workers.on_ready(subject)
        elif what == "ended":
            who = self.daemon.processes.get(subject)
            if isinstance(who, Worker):
                self.workers.end(who, "signal 9 (SIGKILL)")
            elif isinstance(who, Driver):
                self.daemon._end_driver(who)  # noqa: SLF001  what the end of its link does

    def turn(self) -> None:
        """As a turn of the loop."""
        self.loop.turn()
        self.daemon.before_wait()
        self.loop.turn()

    def close(self) -> None:
        """Its arena is closed."""
        self.daemon.store.close()


class Simulation:
    """A head, nodes and drivers, and everything that may happen to them."""

    def __init__(self, choose: Choose, nodes: int = 2, cpus: float = 2.0) -> None:
        self.network = Network(choose)
        self.nodes: dict[str, SimulatedNode] = {}
        self.lost: set[str] = set()
        self.processes: dict[str, SimulatedProcess] = {}
        self.duplicate_next = False
        self._names = itertools.count(1)
        self._home: dict[str, SimulatedNode] = {}
        self.head = ControlStore(lambda node, message: self.network.put("head", node, message), lambda *_: None)
        self.network.endpoints["head"] = self._at_head
        self.cancelled: set[tuple[str, int]] = set()
        self.begun_after_cancel: list[tuple[str, int]] = []
        for _ in range(nodes):
            self.add_node(cpus)

    def _at_head(self, node: str, message: Any) -> None:
        if node in self.nodes:
            apply(self.head, node, message)
            if self.duplicate_next and not isinstance(message, (cluster.Join, cluster.Question)):
                # A node that lost its head for a moment says again what it may have said already.
                self.duplicate_next = False
                apply(self.head, node, message)

    # who there is

    def add_node(self, cpus: float) -> SimulatedNode:
        """A node has joined."""
        name = f"n{next(self._names)}"
        node = self.nodes[name] = SimulatedNode(self, name, cpus)
        self.network.put(name, "head", cluster.Join(control.PROTOCOL, b"", node.daemon.view()))
        return node

    def add_driver(self, node: SimulatedNode) -> SimulatedProcess:
        """A driver of the node, whose welcome is on its way."""
        address = f"{node.name}/d{next(self._names)}"
        link: Any = SimulatedLink(self.network, node.name, address)
        driver = Driver(address, link, 0, job=address)
        link.peer = driver
        made = self.add_process(node, address, driver)
        link.send(control.Welcome(address, node.name, address, _ARENA_BYTES, shared_filesystem=True))
        return made

    def add_process(self, node: SimulatedNode, address: str, who: Driver | Worker) -> SimulatedProcess:
        """A driver or worker stands beside its node daemon."""
        made = SimulatedProcess(self, node, address, is_worker=isinstance(who, Worker))
        self.processes[address] = made
        self._home[address] = node
        node.daemon.processes[address] = who
        self.network.endpoints[address] = made.receive
        return made

    # what happens

    def kill_process(self, address: str) -> None:
        """The process is gone between two messages; its node, and whoever has a link to it, will notice."""
        dead = self.processes.pop(address, None)
        if dead is None:
            return
        dead.dead = True
        self.network.remove(address)
        home = self._home[address]
        self.network.put(address, home.name, ("ended", address))
        for other in self.processes.values():
            if other.has_link(address):
                self.network.put(address, other.address, "closed")

    def kill_node(self, name: str) -> None:
        """The node is gone with all its processes, and the head notices."""
        node = self.nodes.pop(name)
        self.lost.add(name)
        for address in [address for address, home in self._home.items() if home is node]:
            dead = self.processes.pop(address, None)
            if dead is not None:
                dead.dead = True
                self.network.remove(address)
                for other in self.processes.values():
                    if other.has_link(address):
                        self.network.put(address, other.address, "closed")
        self.network.remove(name)
        for key in [key for key in self.network.wires if key[0] == name]:
            del self.network.wires[key]
        self.head.lose(name, "it was lost")
        node.close()

    def step(self) -> bool:
        """A message arrives, or a worker does the next thing that it can do. False when neither is possible."""
        busy = [process for process in self.processes.values() if process.can_run]
        waiting = any(self.network.wires.values())
        if busy and (not waiting or self.network.choose(3) == 0):
            busy[self.network.choose(len(busy))].run()
            return True
        return self.network.deliver()

    def settle(self, steps: int = 200_000) -> None:
        """Everything has happened that happens by itself. Raises AssertionError when there is no end to it."""
        for _ in range(steps):
            if not self.step():
                now = self.network.clock
                for process in list(self.processes.values()):
                    process.tick(now)
                for node in list(self.nodes.values()):
                    node.turn()
                if not any(self.network.wires.values()) and not any(it.can_run for it in self.processes.values()):
                    # Guards and reports look again and again; nothing else takes longer than this.
                    if not self.network.timers or self.network.timers[0][0] > self._quiet_until():
                        return
                    self.network.pass_time()
                    for node in list(self.nodes.values()):
                        node.turn()
            else:
                self._moved = self.network.clock
        raise AssertionError("the cluster does not come to rest")

    _moved = 0.0

    def _quiet_until(self) -> float:
        return self._moved + 10.0

    # what must hold

    def validate(self) -> None:
        """Raises AssertionError unless every part's own invariants hold, at any moment."""
        self.head.validate()
        for node in self.nodes.values():
            node.daemon.granting.pool.validate()
            node.daemon.store.book.validate()
        for process in self.processes.values():
            process.table.validate()
        assert not self.begun_after_cancel, f"begun after their cancel was acknowledged: {self.begun_after_cancel}"

    def leftovers(self) -> dict[str, int]:
        """What is held though nobody should hold anything; {} when everything has been let go of."""
        out: dict[str, int] = {}
        for process in self.processes.values():
            if process.table.entries:
                out[f"{process.address}: entries"] = len(process.table.entries)
            if process.calls.open:
                out[f"{process.address}: open calls"] = len(process.calls.open)
            if process.objects.in_escrow:
                out[f"{process.address}: refs in escrow"] = process.objects.in_escrow
        for node in self.nodes.values():
            book = node.daemon.store.book
            if book.objects:
                out[f"{node.name}: objects"] = book.objects
            pool = node.daemon.granting.pool
            if pool.free != pool.total:
                out[f"{node.name}: CPUs taken"] = pool.total["CPU"] - pool.free["CPU"]
        return out
