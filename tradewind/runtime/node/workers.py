"""The node's workers: forked from the template, kept warm, their output read and their ends explained."""

from __future__ import annotations

import array
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from tradewind.runtime.core.worker import MARK
from tradewind.runtime.link import DescriptorLink
from tradewind.runtime.loop import Loop
from tradewind.runtime.messages import control
from tradewind.runtime.messages.values import Death, Environment
from tradewind.runtime.node.template import Event, ForkRequest
from tradewind.runtime.packages import PREFIX
from tradewind.runtime.runtime_env import VARIABLE

LAST_LINES = 12
# Ends up in the environment of everything that a worker starts, so that what outlives its worker can be found.
MARK_VARIABLE = "TRADEWIND_NODE_MARK"


@dataclass(slots=True, eq=False)
class Worker:
    """One worker process as its node daemon knows it."""

    number: int
    address: str
    link: DescriptorLink
    pid: int = 0
    job: str = ""
    ready: bool = False
    ended: bool = False
    lease: int = 0
    actor: str = ""
    has_link_keys: bool = False
    environment: Environment | None = None
    kill_reason: str = ""
    intended: str = ""
    last: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))
    pipes: dict[int, bytes] = field(default_factory=dict)
    speaker: dict[int, str] = field(default_factory=dict)
    when_ready: list[Callable[[], None]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Driver:
    """A driver of this node."""

    address: str
    link: DescriptorLink
    pid: int
    pidfd: int = -1
    actor: str = ""
    job: str = ""
    has_link_keys: bool = False


@dataclass(frozen=True, slots=True)
class TemplateSettings:
    """What workers start with."""

    python: str
    sys_path: list[str]
    extra_path: list[str]
    cwd: str
    env: Mapping[str, str]
    by_value: bool
    mark: str


class WorkerPool:
    """Starts workers, and tells of their readiness, lines and ends."""

    def __init__(
        self,
        loop: Loop,
        node: str,
        settings: TemplateSettings,
        *,
        make_link: Callable[[socket.socket], DescriptorLink],
        on_lines: Callable[[Worker, list[str], bool], None],
        on_end: Callable[[Worker, Death], None],
        next_address: Callable[[], str],
        why_killed: Callable[[Worker], str],
    ) -> None:
        self._loop = loop
        self._node = node
        self._settings = settings
        self._make_link = make_link
        self._on_lines = on_lines
        self._on_end = on_end
        self._next_address = next_address
        self._why_killed = why_killed
        self._numbers = 0
        self.workers: dict[int, Worker] = {}
        self.idle: list[Worker] = []
        self._template: subprocess.Popen[bytes] | None = None
        self._template_socket: socket.socket | None = None
        self.template_failed = ""
        self._forked = False

    def start(self) -> None:
        """The template is starting; forks wait for it by themselves."""
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        settings = self._settings
        script = (
            "import sys; sys.path[:0] = [p for p in " + repr(settings.sys_path) + " if p not in sys.path]; "
            "sys.path += [p for p in " + repr(settings.extra_path) + " if p not in sys.path]; "
            "from tradewind.runtime.node.template import main; main()"
        )
        # As Ray does: numeric libraries take one thread a worker unless told otherwise, or workers on all cores fight for them.
        threads = {"OMP_NUM_THREADS": "1"}
        environment = {**threads, **os.environ, **settings.env, MARK_VARIABLE: settings.mark, "PYTHONUNBUFFERED": "1"}
        self._template = subprocess.Popen(
            [settings.python, "-c", script, str(there.fileno()), str(os.getpid())],
            pass_fds=[there.fileno()],
            cwd=settings.cwd or None,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
        there.close()
        here.setblocking(False)
        self._template_socket = here
        self._loop.watch(here.fileno(), self._on_template)

    def fork(self, job: str = "", environment: Environment | None = None) -> Worker:
        """A new worker that will be ready soon."""
        self._numbers += 1
        number = self._numbers
        here, there = socket.socketpair()
        link = self._make_link(here)
        worker = Worker(number, self._next_address(), link, job=job, environment=environment)
        link.peer = worker
        self.workers[number] = worker
        out_read, out_write = os.pipe2(os.O_CLOEXEC)
        err_read, err_write = os.pipe2(os.O_CLOEXEC)
        for descriptor in (out_read, err_read):
            os.set_blocking(descriptor, False)
            worker.pipes[descriptor] = b""
            worker.speaker[descriptor] = ""
        self._loop.watch(out_read, lambda _events, fd=out_read: self._on_output(worker, fd, error=False))  # type: ignore[misc]
        self._loop.watch(err_read, lambda _events, fd=err_read: self._on_output(worker, fd, error=True))  # type: ignore[misc]
        request = _fork_request(number, self._settings.by_value, environment)
        self._ask_template(worker, request, [there.detach(), out_write, err_write])
        return worker

    def _ask_template(self, worker: Worker, request: ForkRequest, fds: list[int]) -> None:
        """The template has the request; when its socket is full, a moment later."""
        assert self._template_socket is not None
        try:
            self._template_socket.sendmsg(
                [msgspec.msgpack.encode(request)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
            )
        except BlockingIOError:
            self._loop.after(0.01, lambda: self._ask_template(worker, request, fds))
            return
        except OSError as error:
            worker.kill_reason = self.template_failed or f"the worker template takes no requests: {error}"
            self._loop.soon(lambda: self._end(worker, signal.SIGKILL))
        for fd in fds:
            os.close(fd)

    def _on_template(self, _events: int) -> None:
        template_socket = self._template_socket
        assert template_socket is not None
        while True:
            try:
                data = template_socket.recv(1 << 12)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._lose_template()
                return
            event = msgspec.msgpack.decode(data, type=Event)
            worker = self.workers.get(event.number)
            if worker is None:
                continue
            if event.kind == "forked":
                self._forked = True
                worker.pid = event.pid
                worker.ready = True
                waiting, worker.when_ready = worker.when_ready, []
                for ready in waiting:
                    ready()
            else:
                # Its last words lie in its link still, and are read in this turn.
                self._loop.soon(lambda it=worker, status=event.status: self._end(it, status))  # type: ignore[misc]

    def _lose_template(self) -> None:
        assert self._template_socket is not None
        self._loop.forget(self._template_socket.fileno())
        self._template_socket.close()
        code = self._template.wait() if self._template is not None else None
        self.template_failed = (
            f"the worker template ({self._settings.python}) ended with exit code {code}; "
            "it needs an interpreter of the same Python version that can import tradewind"
        )
        reason = self.template_failed
        if self._forked:
            # It has worked before, so something killed it: a new one will work again.
            self._forked = False
            self.template_failed = ""
            self.start()
        for worker in list(self.workers.values()):
            worker.kill_reason = worker.kill_reason or reason
            self._end(worker, 9)

    def _on_output(self, worker: Worker, descriptor: int, *, error: bool) -> None:
        try:
            data = os.read(descriptor, 1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._loop.forget(descriptor)
            os.close(descriptor)
            rest = worker.pipes.pop(descriptor, b"")
            if rest:
                self._lines(worker, descriptor, [rest], error=error)
            return
        *lines, rest = (worker.pipes[descriptor] + data).split(b"\n")
        if len(rest) > 1 << 20:
            lines.append(rest)
            rest = b""
        worker.pipes[descriptor] = rest
        if lines:
            self._lines(worker, descriptor, lines, error=error)

    def _lines(self, worker: Worker, descriptor: int, lines: list[bytes], *, error: bool) -> None:
        out: list[str] = []
        for line in lines:
            if line.startswith(MARK):
                worker.speaker[descriptor] = line[len(MARK) :].decode(errors="replace")
                continue
            text = line.decode(errors="replace")
            worker.last.append(text)
            name = worker.speaker.get(descriptor) or "worker"
            out.append(f"({name} pid={worker.pid}, node={self._node[:8]}) {text}")
        if out:
            self._on_lines(worker, out, error)

    def _end(self, worker: Worker, status: int) -> None:
        if worker.ended:
            return
        worker.ended = True
        for descriptor in list(worker.pipes):
            # What it said last is in the pipe still; the end of the pipe is not waited for, a child of the worker may hold it.
            self._on_output(worker, descriptor, error=descriptor == max(worker.pipes))
        self.workers.pop(worker.number, None)
        if worker in self.idle:
            self.idle.remove(worker)
        code = os.waitstatus_to_exitcode(status)
        signal_number = -code if code < 0 else None
        if worker.kill_reason:
            reason = worker.kill_reason
        elif worker.intended:
            reason = worker.intended
        elif signal_number == signal.SIGKILL and (known := self._why_killed(worker)):
            reason = known
        elif signal_number is not None:
            reason = f"signal {signal_number} ({_signal_name(signal_number)})"
            if signal_number == signal.SIGKILL:
                reason += ", sent by somebody else or by the kernel for want of memory"
        else:
            reason = f"exit code {code}"
        death = Death(
            worker.address,
            worker.pid,
            self._node,
            reason,
            code if code >= 0 else None,
            signal_number,
            list(worker.last),
            clean=bool(worker.intended) and code == 0,
        )
        self._on_end(worker, death)
        for descriptor in list(worker.pipes):
            self._loop.forget(descriptor)
            with contextlib.suppress(OSError):
                os.close(descriptor)
        worker.pipes.clear()

    def kill(self, worker: Worker, reason: str) -> None:
        """The worker is being ended by force; its end is told as usual."""
        if worker.ended:
            return
        worker.kill_reason = worker.kill_reason or reason
        if not worker.ready:
            worker.when_ready.append(lambda: self.kill(worker, reason))
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(worker.pid, signal.SIGKILL)

    def take_idle(self, job: str, environment: Environment | None = None) -> Worker | None:
        """A warm worker in this environment that has served this job, or none at all; it is no longer idle."""
        best: Worker | None = None
        for worker in self.idle:
            if worker.environment != environment:
                continue
            if worker.job == job:
                best = worker
                break
            if not worker.job and best is None:
                best = worker
        if best is not None:
            self.idle.remove(best)
        return best

    def close(self) -> None:
        """Every worker, the template, and whatever they left behind are dead."""
        for worker in list(self.workers.values()):
            if worker.pid:
                with contextlib.suppress(OSError):
                    os.kill(worker.pid, signal.SIGKILL)
                with contextlib.suppress(OSError):
                    os.killpg(worker.pid, signal.SIGKILL)
        if self._template is not None:
            self._template.kill()
            self._template.wait()
        sweep(self._settings.mark)


def _fork_request(number: int, by_value: bool, environment: Environment | None) -> ForkRequest:
    if environment is None:
        return ForkRequest(number, by_value)
    variables = {**environment.env_vars, VARIABLE: msgspec.json.encode(environment).decode()}
    # What comes as a package is unpacked by the worker itself.
    paths = [path for path in environment.paths if not path.startswith(PREFIX)]
    cwd = "" if environment.cwd.startswith(PREFIX) else environment.cwd
    return ForkRequest(number, by_value, "", paths, cwd, variables)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def sweep(mark: str) -> int:
    """Processes that carry the mark are killed; returns how many. They may have left their group, session and parent."""
    wanted = f"{MARK_VARIABLE}={mark}".encode()
    killed = 0
    for name in os.listdir("/proc") if sys.platform == "linux" else []:
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                if wanted in file.read().split(b"\0"):
                    os.kill(int(name), signal.SIGKILL)
                    killed += 1
        except OSError:
            continue
    return killed


def welcome(worker: Worker, node: str, arena_fd: int, arena_bytes: int) -> None:
    """The first message to a worker, with the arena."""
    worker.link.send(control.Welcome(worker.address, node, worker.job, arena_bytes, shared_filesystem=True), [arena_fd])
