"""A cluster without sockets, clocks or processes: the real head, node daemons and ownership of calls and objects, and messages in any order.

What is replaced: links are queues, of which the caller says which one moves next; workers run no Python but small programs of puts, calls and
refs; time passes only when nothing else can happen. Every decision is the runtime's own code, so what goes wrong here goes wrong there.
A link keeps its order, as a stream does; a death loses what was on its way. What a head and its nodes may say twice can be said twice.
"""

from __future__ import annotations

import itertools
from typing import Any, cast

from tradewind.runtime.messages import control
from tradewind.runtime.messages.values import Death
from tradewind.runtime.node.daemon import DaemonSettings, NodeDaemon
from tradewind.runtime.node.direct_links import DirectLinks
from tradewind.runtime.node.neighbours import TlsNeighbours, _Neighbour
from tradewind.runtime.node.transfers import Transfers
from tradewind.runtime.node.workers import Driver, TemplateSettings, Worker, WorkerPool
from tradewind.runtime.simulated_files import SimulatedFiles
from tradewind.runtime.simulated_head import HeadPort, SimulatedHead
from tradewind.runtime.simulated_network import Choose, Network, SimulatedLink, SimulatedLoop, side
from tradewind.runtime.simulated_process import SimulatedProcess

# Room for four large objects, so that they have to go to disk and come back.
ARENA_BYTES = 800 << 10


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


class _Neighbours(TlsNeighbours):
    """A node's way to the others: what is said and pulled is the real code's, over queues in the place of TLS links."""

    def __init__(self, node: SimulatedNode) -> None:  # no port, no certificates
        self._node = node
        self._daemon = node.daemon
        self._loop = node.daemon.loop
        self._views: dict[str, Any] = {}
        self._lost: dict[str, str] = {}
        self._early: dict[str, list[Any]] = {}
        self._transfers = Transfers(node.daemon, self.send, chunk_bytes=1 << 16)
        self._links = DirectLinks(node.daemon, cast("Any", None), self._dial)
        self._handlers = self._make_handlers()

    def _reach(self, node: str) -> Any:
        if node not in self._views:
            return None
        return _Neighbour(node, cast("Any", SimulatedLink(self._node.network, self._node.name, node)))

    def connect(self, node: str, to_process: str, from_process: str) -> None:
        """As TlsNeighbours': the process has its end, and the other node hands the other one to its process, if that lives."""
        network = self._node.network
        self._node.daemon.tell(from_process, control.Connected(to_process))
        if node in network.endpoints and node in self._views:
            network.put(self._node.name, node, ("link", (to_process, from_process)))
        else:
            network.put(to_process, from_process, "closed")

    def receive(self, source: str, message: Any) -> None:
        """The other node's daemon has said something."""
        handler = self._handlers.get(message.__class__)
        if handler is not None:
            handler(source, message)

    def has_lost(self, node: str) -> bool:
        """True when the node has to join again before anybody here listens."""
        return node in self._lost

    def _close(self, node: str) -> None:
        self._node.simulation.sever(self._node.name, node)

    def forget_all(self) -> None:
        """Every link to and from another node is closed."""
        for node in [name for name in self._node.simulation.nodes if name != self._node.name]:
            self._close(node)
            self.broke(node)

    def broke(self, node: str) -> None:
        """The link to the node is no more, with what was on its way."""
        self._broke(node)

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
            node=name, host=name, total={"CPU": cpus}, labels={}, arena_bytes=ARENA_BYTES,
            template=TemplateSettings("", [], [], "", {}, by_value=True, mark=name), end_with_driver=False,
        )  # fmt: skip
        self.daemon = NodeDaemon(loop, settings)
        workers: Any = _Workers(self)
        self.workers = workers
        self.daemon.workers = workers
        self.port = HeadPort(self)
        self.daemon.head = self.port
        self.daemon.neighbours = self.neighbours = _Neighbours(self)
        self.files = SimulatedFiles(self)
        self.daemon.store.use_files(self.files)
        simulation.network.endpoints[name] = self.receive

    def receive(self, source: str, message: Any) -> None:
        """A message has come: from the head, another node, or a process of this one."""
        daemon = self.daemon
        if source == "head":
            self.port.receive(message)
        elif self.neighbours.has_lost(source):
            return  # it has to join again before anybody here listens
        elif isinstance(message, tuple):
            self._happened(*message)
        elif source in daemon.processes:
            who = daemon.processes[source]
            daemon._handlers[message.__class__](who, message)  # noqa: SLF001  what the daemon's own link would do
        elif source in self.simulation.nodes:
            self.neighbours.receive(source, message)
        self.turn()

    def _happened(self, what: str, subject: Any) -> None:
        if what == "link":
            mine, other = subject
            if mine in self.daemon.processes:
                self.daemon.tell(mine, control.Connected(other))
                self.daemon.connections.connected(mine, other)
            else:
                self.network.put(mine, other, "closed")
        elif what == "broke":
            self.neighbours.broke(subject)
        elif what == "disk":
            self.files.move()
        elif what == "ready":
            self.workers.on_ready(subject)
        elif what == "ended":
            who = self.daemon.processes.get(subject)
            if isinstance(who, Worker):
                self.workers.end(who, "signal 9 (SIGKILL)")
            elif isinstance(who, Driver):
                self.daemon.drivers.end(who)

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
        self._names = itertools.count(1)
        self._home: dict[str, SimulatedNode] = {}
        self.head = SimulatedHead(self.network)
        self.cancelled: set[tuple[str, int]] = set()
        self.begun_after_cancel: list[tuple[str, int]] = []
        # What was written under each name, as a checksum; every reading is held to it.
        self.contents: dict[str, int] = {}
        self.disk_full = False
        for _ in range(nodes):
            self.add_node(cpus)

    # who there is

    def add_node(self, cpus: float) -> SimulatedNode:
        """A node has joined."""
        name = f"n{next(self._names)}"
        node = self.nodes[name] = SimulatedNode(self, name, cpus)
        node.port.connect()
        return node

    def add_driver(self, node: SimulatedNode) -> SimulatedProcess:
        """A driver of the node, whose welcome is on its way."""
        address = f"{node.name}/d{next(self._names)}"
        link: Any = SimulatedLink(self.network, node.name, address)
        driver = Driver(address, link, 0, job=address)
        link.peer = driver
        made = self.add_process(node, address, driver)
        link.send(control.Welcome(address, node.name, address, ARENA_BYTES, shared_filesystem=True))
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
        for other_node in self.nodes:
            self.network.put(name, other_node, ("broke", name))
        self.head.leave(name, "it was lost")
        node.close()

    def cut_off(self, name: str) -> None:
        """Nothing passes between the node and the rest any more; nobody knows."""
        self.network.cut.add(name)

    def fall_silent(self, name: str, *, noticed_there: bool) -> None:
        """The head has heard nothing of the cut-off node for too long; it may have noticed that it hears nothing either."""
        self.head.leave(name, "it was silent for 4 s")
        if noticed_there and name in self.nodes:
            self.nodes[name].port.lose_stream()

    def sever(self, here: str, there: str) -> None:
        """The one node has closed everything between it and the other: what is on its way is lost, and so is what is still sent that way."""
        network = self.network
        for key in [key for key in network.wires if {side(key[0]), side(key[1])} == {here, there}]:
            del network.wires[key]
        near = [process for process in self.processes.values() if process.home.name == here]
        far = [process for process in self.processes.values() if process.home.name == there]
        for mine, other in itertools.product(near, far):
            pair = frozenset((mine.address, other.address))
            if pair not in network.broken:
                network.put(mine.address, other.address, "closed")
                network.broken.add(pair)
        for mine in near:
            for address in mine.linked_to(there):
                network.put(here, mine.address, ("closed", address))
        network.put(here, there, ("broke", here))

    def heal(self) -> None:
        """Everybody reaches everybody again."""
        self.network.cut.clear()

    def step(self) -> bool:
        """A message arrives, or a worker does the next thing that it can do. False when neither is possible."""
        busy = [process for process in self.processes.values() if process.can_run]
        waiting = bool(self.network.moving)
        if busy and (not waiting or self.network.choose(3) == 0):
            busy[self.network.choose(len(busy))].run()
            return True
        return self.network.deliver()

    def settle(self, steps: int = 200_000) -> None:
        """Everything has happened that happens by itself. Raises AssertionError when there is no end to it."""
        self._moved = self.network.clock
        for _ in range(steps):
            if not self.step():
                now = self.network.clock
                for process in list(self.processes.values()):
                    process.tick(now)
                for node in list(self.nodes.values()):
                    node.turn()
                if not self.network.moving and not any(it.can_run for it in self.processes.values()):
                    # Guards and reports look again and again; nothing else takes longer than a restarted head's patience.
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
        return self._moved + 12.0

    # what must hold

    def validate(self) -> None:
        """Raises AssertionError unless every part's own invariants hold, at any moment."""
        self.head.store.validate()
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
            if book.used_bytes:
                out[f"{node.name}: bytes of the arena"] = book.used_bytes
            if len(node.files):
                out[f"{node.name}: files"] = len(node.files)
            pool = node.daemon.granting.pool
            if pool.free != pool.total:
                out[f"{node.name}: CPUs taken"] = pool.total["CPU"] - pool.free["CPU"]
        return out
