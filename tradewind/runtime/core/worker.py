"""A worker process, from its fork until its end."""

from __future__ import annotations

import io
import os
import socket
import sys
import threading
from typing import Any

from tradewind.runtime import object_ref
from tradewind.runtime.core.describing import describe
from tradewind.runtime.core.execution import Executor
from tradewind.runtime.core.process import Process
from tradewind.runtime.exceptions import RayError
from tradewind.runtime.messages import control
from tradewind.runtime.packages import PREFIX, Packages
from tradewind.runtime.runtime_env import own_environment

# A line that says whose output follows; the node daemon takes it out again. No text of a person begins so.
MARK = b"\x00tradewind\x00"

# How long code that wants to run at a process's end may take; an actor's __ray_shutdown__ has Ray's time.
_HOOKS_S = 2.0
_SHUTDOWN_S = 30.0


class _Output(io.RawIOBase):
    """Standard output that says, when it changes, which function speaks."""

    def __init__(self, descriptor: int, executor: Executor) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._executor = executor
        self._name = ""

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def write(self, data: bytes | bytearray | memoryview) -> int:  # type: ignore[override]
        view = memoryview(data)
        name = self._executor.current.name
        actor = self._executor.actor
        if actor is not None:
            name = actor.name
        if name != self._name:
            self._name = name
            os.write(self._descriptor, MARK + name.encode() + b"\n")
        size = len(view)
        while view:
            view = view[os.write(self._descriptor, view) :]
        return size


def run_worker(control_fd: int, *, by_value: bool) -> None:
    """Serves until the node daemon says otherwise or is gone; never returns."""
    process = Process(socket.socket(fileno=control_fd), by_value=by_value)
    process.on_broken = lambda _reason: os._exit(1)
    process.environment = own_environment()
    process.packages = Packages(process) if by_value else None
    executor = Executor(process)
    os.register_at_fork(after_in_child=object_ref.forked)
    sys.stdout = io.TextIOWrapper(io.BufferedWriter(_Output(1, executor)), line_buffering=True, errors="replace")
    sys.stderr = io.TextIOWrapper(
        io.BufferedWriter(_Output(2, executor)), line_buffering=True, errors="replace", write_through=True
    )
    code = 0
    try:
        process.start(30)
        _settle(process, executor)
        executor.run()
    except BaseException:  # a bug of ours: the node daemon keeps the text as the worker's last output
        import traceback

        traceback.print_exc()
        code = 1
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            code = code or 1
    with process.lock:
        # Its part of timelines outlives it at the node daemon.
        process.tell_node(control.Described(0, describe(process, "timeline")))
        process.drain()
        process.flush_all()
    _run_exit_hooks(executor.functions.instance)
    # Everything sent stays readable for the peers; the interpreter's own end would only wait for threads of user code.
    os._exit(code)


def _settle(process: Process, executor: Executor) -> None:
    """The driver's directories that this worker was asked for are here, and it works in them; or its tasks hear why not."""
    around = process.environment
    if around is None or process.packages is None:
        return
    try:
        paths = [
            process.packages.fetch(path) if path.startswith(PREFIX) else path for path in (around.cwd, *around.paths)
        ]
        cwd, *found = paths
        if cwd:
            os.chdir(cwd)
        sys.path[:0] = [path for path in found if path not in sys.path]
    except (RayError, OSError) as error:
        executor.setup_error = f"The task's runtime_env could not be set up in {process.address}: {error}"


def _run_exit_hooks(actor: Any) -> None:
    """What user code wants to be run at the end has run, or has had its time."""
    import atexit
    import traceback

    shutdown = getattr(actor, "__ray_shutdown__", None)
    done = threading.Event()

    def run() -> None:
        try:
            if shutdown is not None:
                shutdown()
        except BaseException:  # whatever it raises, the actor ends
            traceback.print_exc()
        try:
            atexit._run_exitfuncs()  # noqa: SLF001  os._exit skips them, and there is no public way
        finally:
            done.set()

    threading.Thread(target=run, daemon=True).start()
    done.wait(_HOOKS_S if shutdown is None else _SHUTDOWN_S)
