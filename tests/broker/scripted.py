"""A cloud in memory whose agents speak the real wire over streams in memory, with faults on order: the partner of the broker's fault tests.

It outlives the brokers under test, as a cloud does. It counts what matters: instances bought by token, and how often each phase of each
job was really started.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence

from tradewind.agent import protocol as wire
from tradewind.broker.provider import Blocked, Instance, LaunchRequest, ProviderError, RunResult


class _Pipe:
    """One end of a connection in memory, as an asyncio writer: what is written here is read at the other end. It takes no descriptor."""

    def __init__(self) -> None:
        self.reader = asyncio.StreamReader()
        self.peer: _Pipe | None = None
        self.held: list[bytes] | None = None  # what a network that is cut has swallowed

    def write(self, data: bytes) -> None:
        assert self.peer is not None, "a pipe has two ends"
        if self.held is not None:
            self.held.append(data)
        elif not self.peer.reader.at_eof() and not self.peer.reader._eof:  # type: ignore[attr-defined]  # noqa: SLF001  as a transport does
            self.peer.reader.feed_data(data)

    async def drain(self) -> None:
        await asyncio.sleep(0)

    def close(self) -> None:
        for end in (self, self.peer):
            if end is not None:
                end.reader.feed_eof()

    def is_closing(self) -> bool:
        return self.reader.at_eof()

    async def wait_closed(self) -> None:
        pass


def _pipes() -> tuple[_Pipe, _Pipe]:
    one, other = _Pipe(), _Pipe()
    one.peer, other.peer = other, one
    return one, other


class ScriptedAgent:
    """What an agent is to a broker: it remembers jobs, events and its configuration, and does what scripts say.

    Scripts: "exit N" ends at once with that code, "hang" runs until cancelled, "wait" until the test calls `finish`.
    """

    def __init__(self, instance_id: str, starts: Counter[tuple[str, str, str]]) -> None:
        self.instance_id = instance_id
        self.alive = False
        self.cut = False
        self.events: list[wire.AgentEvent] = []
        self.jobs: dict[tuple[str, str], wire.JobInfo] = {}
        self.orders: list[wire.Order] = []
        self.runtime: str | None = None
        self.configured: wire.Configure | None = None
        self.logs: dict[str, bytes] = {}
        self.refuse: dict[type, str] = {}
        self.full: dict[type, int] = {}  # how many orders of a kind its disk has no room for
        self._starts = starts
        self._moved = asyncio.Event()
        self._writers: set[_Pipe] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def tell(self, fact: wire.AgentFact) -> None:
        """Add an event."""
        self.events.append(wire.AgentEvent(seq=len(self.events) + 1, unix=0.0, fact=fact))
        self._wake()

    def _wake(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()

    def finish(self, job_id: str, phase: str = "run", exit_code: int = 0) -> None:
        """End a job that waits."""
        info = self.jobs[job_id, phase]
        if info.state != "RUNNING":
            return
        state = "SUCCEEDED" if exit_code == 0 else "FAILED"
        self.jobs[job_id, phase] = wire.JobInfo(job_id=job_id, phase=phase, state=state, exit_code=exit_code)
        self.tell(wire.JobEnded(job_id=job_id, phase=phase, state=state, exit_code=exit_code, last_lines="last words"))

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A broker's end of a new connection."""
        if not self.alive:
            raise ConnectionRefusedError("no agent listens")
        if self.cut:
            await asyncio.Event().wait()  # nobody answers, nobody refuses
        ours, theirs = _pipes()
        self._writers.add(ours)
        task = asyncio.create_task(self._serve(ours.reader, ours))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return theirs.reader, theirs  # type: ignore[return-value]  # it does what a StreamWriter does

    def cut_network(self) -> None:
        """Nothing said from now on arrives, in either direction, and no connection ends."""
        self.cut = True
        for pipe in self._writers:
            pipe.held = []
            if pipe.peer is not None:
                pipe.peer.held = []

    def die(self) -> None:
        """Cut every connection; nobody answers until it is started again, and its jobs are lost."""
        self.alive = False
        for writer in list(self._writers):
            writer.close()
        for task in list(self._tasks):
            task.cancel()
        self.runtime = None

    def restart(self) -> None:
        """Come up as a new process: leftovers are ended and reported as lost."""
        if self.alive:
            return
        self.alive = True
        for (job_id, phase), info in list(self.jobs.items()):
            if info.state == "RUNNING":
                self.jobs[job_id, phase] = wire.JobInfo(job_id=job_id, phase=phase, state="LOST")
                self.tell(wire.JobEnded(job_id=job_id, phase=phase, state="LOST"))

    async def _serve(self, reader: asyncio.StreamReader, writer: _Pipe) -> None:
        calls: set[asyncio.Task[None]] = set()
        try:
            while True:
                (size,) = wire.HEADER.unpack(await reader.readexactly(wire.HEADER.size))
                call = wire.decode_call(await reader.readexactly(size))
                task = asyncio.create_task(self._answer(call, writer))
                calls.add(task)
                task.add_done_callback(calls.discard)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            for task in calls:
                task.cancel()
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, call: wire.Call, writer: _Pipe) -> None:
        order = call.order
        if isinstance(order, wire.Subscribe):
            await self._stream_events(call.id, order.after_seq, writer)
            return
        if not isinstance(order, wire.Hello | wire.ListJobs):
            self.orders.append(order)
        if isinstance(order, wire.ReadLog):
            answer: wire.Answer = await self._read_log(call.id, order, writer)
        elif type(order) in self.refuse:
            answer = wire.Refused(message=self.refuse[type(order)], kind="state")
        elif self.full.get(type(order), 0):
            self.full[type(order)] -= 1
            answer = wire.Refused(message="No space left on device", kind="room")
        else:
            answer = self._do(order)
        writer.write(wire.encode_frame(wire.Reply(call.id, answer)))
        if isinstance(order, wire.EndInstance):
            self.alive = False

    def _do(self, order: wire.Order) -> wire.Answer:
        match order:
            case wire.Hello():
                return wire.Welcome(
                    protocol_version=wire.PROTOCOL_VERSION,
                    tradewind_version="0",
                    instance_id=self.instance_id,
                    pid=1,
                    started_unix=0.0,
                    lease_until_unix=0.0,
                    last_seq=len(self.events),
                )
            case wire.Configure():
                self.configured = order
            case wire.StartRuntimeHead():
                self.runtime = order.incarnation
                return wire.RuntimeHead(address="head:1", credentials=b"c")
            case wire.StartRuntimeNode():
                return wire.RuntimeNode(address="unix:/n")
            case wire.StartJob():
                self._start(order)
            case wire.CancelJob():
                self._cancel(order.job_id)
            case wire.ListJobs():
                return wire.Jobs(jobs=tuple(self.jobs.values()))
            case wire.EndInstance():
                for job_id, _ in list(self.jobs):
                    self._cancel(job_id)
        return wire.Done()

    def _start(self, order: wire.StartJob) -> None:
        key = (order.job_id, order.phase)
        if key in self.jobs:
            return
        self._starts[(self.instance_id, *key)] += 1
        self.jobs[key] = wire.JobInfo(job_id=order.job_id, phase=order.phase, state="RUNNING")
        self.logs[order.job_id] = self.logs.get(order.job_id, b"") + f"{order.phase}: {order.script}\n".encode()
        self.tell(wire.JobStarted(job_id=order.job_id, phase=order.phase))
        word, _, code = order.script.partition(" ")
        if word == "exit":
            self.finish(order.job_id, order.phase, int(code))

    def _cancel(self, job_id: str) -> None:
        for (job, phase), info in list(self.jobs.items()):
            if job == job_id and info.state == "RUNNING":
                self.jobs[job, phase] = wire.JobInfo(job_id=job, phase=phase, state="CANCELLED")
                self.tell(wire.JobEnded(job_id=job, phase=phase, state="CANCELLED", signal=15))

    async def _stream_events(self, call_id: int, after: int, writer: _Pipe) -> None:
        while True:
            moved = self._moved
            for event in self.events[after:]:
                writer.write(wire.encode_frame(wire.Item(call_id, event)))
            after = len(self.events)
            await moved.wait()

    async def _read_log(self, call_id: int, order: wire.ReadLog, writer: _Pipe) -> wire.Answer:
        offset = order.offset
        while True:
            moved = self._moved
            data = self.logs.get(order.job_id, b"")[offset:]
            if data:
                writer.write(wire.encode_frame(wire.Item(call_id, wire.LogChunk(offset=offset, data=data))))
                offset += len(data)
            running = any(i.state == "RUNNING" for (job, _), i in self.jobs.items() if job == order.job_id)
            if not running or not order.follow:
                return wire.LogEnd(offset=offset, ended=True)
            await moved.wait()


class ScriptedTransport:
    """Reaches a scripted agent."""

    def __init__(self, agent: ScriptedAgent, puts: list[tuple[str, str]], log: bytes = b"") -> None:
        self._agent = agent
        self._puts = puts
        self._log = log
        self.home, self.python = "/home", "python"

    async def run(self, argv: Sequence[str], *, env: Mapping[str, str] = {}, timeout_s: float = 60) -> RunResult:
        said = self._log if argv[-1].endswith("agent.log") else b""
        return RunResult(exit_code=0, stdout=said, stderr=b"")

    async def start(self, argv: Sequence[str], *, env: Mapping[str, str] = {}, log: str) -> None:
        self._agent.restart()

    async def put(self, source: str, target: str, *, leave_out: object = None, told: object = None) -> None:
        self._puts.append((source, target))

    async def open(self, socket_path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await self._agent.connect()

    async def close(self) -> None:
        pass


class ScriptedCloud:
    """Implements `Provider` and `Watching` in memory. `refusals` are raised by the launches to come, one each (None: that one works)."""

    name = "local"

    def __init__(self) -> None:
        self.instances: dict[str, Instance] = {}
        self.opened: dict[str, set[int]] = {}
        self.requests: dict[str, LaunchRequest] = {}
        self.by_token: dict[str, str] = {}
        self.agents: dict[str, ScriptedAgent] = {}
        self.starts: Counter[tuple[str, str, str]] = Counter()
        self.puts: list[tuple[str, str]] = []
        self.agent_log = b""  # what every agent's log holds
        self.refusals: list[ProviderError | None] = []
        self.scopes: dict[str, tuple[str, str]] = {}  # code -> (kind, scope)
        self.terminated: list[str] = []
        self._tagged: dict[tuple[str, str], dict[str, None]] = {}
        self._ended: dict[str, asyncio.Event] = {}

    async def check(self) -> str:
        return "works"

    async def launch(self, request: LaunchRequest, token: str) -> Instance:
        if token in self.by_token:
            return self.instances[self.by_token[token]]
        await asyncio.sleep(0)
        refusal = self.refusals.pop(0) if self.refusals else None
        if refusal is not None:
            raise refusal
        provider_id = f"p-{len(self.by_token)}"
        self.by_token[token] = provider_id
        for tag in request.tags.items():
            self._tagged.setdefault(tag, {})[provider_id] = None
        self.requests[provider_id] = request
        self._ended[provider_id] = asyncio.Event()
        self.agents[provider_id] = ScriptedAgent(request.instance_id, self.starts)
        self.instances[provider_id] = Instance(
            instance_id=request.instance_id,
            provider_id=provider_id,
            state="RUNNING",
            address=f"10.0.0.{len(self.by_token)}",
            tags=request.tags,
        )
        return self.instances[provider_id]

    async def describe(self, tags: Mapping[str, str]) -> list[Instance]:
        ids = min((self._tagged.get(tag, {}) for tag in tags.items()), key=len, default=self.instances)
        return [i for p in ids if (i := self.instances.get(p)) is not None and tags.items() <= i.tags.items()]

    async def stop(self, provider_id: str) -> None:
        raise ProviderError("local", "unsupported", "no")

    async def start(self, provider_id: str) -> None:
        raise ProviderError("local", "unsupported", "no")

    async def terminate(self, provider_id: str) -> None:
        if self.instances.pop(provider_id, None) is not None:
            self.terminated.append(provider_id)
            self.agents[provider_id].die()
            self._ended[provider_id].set()

    async def connect(self, instance: Instance) -> ScriptedTransport:
        if instance.provider_id not in self.instances:
            raise ProviderError("local", "ended", f"{instance.instance_id} does not run")
        return ScriptedTransport(self.agents[instance.provider_id], self.puts, self.agent_log)

    async def open_ports(self, provider_ids: Sequence[str], ports: Sequence[int]) -> None:
        for provider_id in provider_ids:
            self.opened.setdefault(provider_id, set()).update(ports)

    async def lease(self, provider_id: str, until_unix: float) -> None:
        pass

    def classify(self, error: ProviderError) -> Blocked:
        kind, scope = self.scopes.get(error.code, ("capacity", "zone"))
        return Blocked(kind=kind, scope=scope, why=error.message, until_unix=0.0)  # type: ignore[arg-type]

    async def watch(self, instance: Instance) -> str:
        await self._ended[instance.provider_id].wait()
        described = self.instances.get(instance.provider_id)
        return described.reason if described is not None else "terminated"

    def kill(self, provider_id: str, reason: str = "killed") -> None:
        """Take the instance without a word; it stays listed as ended."""
        instance = self.instances[provider_id]
        self.instances[provider_id] = Instance(
            instance_id=instance.instance_id,
            provider_id=provider_id,
            state="TERMINATED",
            address=instance.address,
            tags=instance.tags,
            reason=reason,
        )
        self.agents[provider_id].die()
        self._ended[provider_id].set()

    def running(self) -> list[str]:
        """Provider ids of what still costs."""
        return [p for p, i in self.instances.items() if i.state == "RUNNING"]

    def close(self) -> None:
        """Cut every connection."""
        for agent in self.agents.values():
            agent.die()
