"""Daemons forked from one process that has imported all they need: each is a process of its own, and answers after a tenth of a second.

Google's library alone takes seconds to import. Run as a program this file is the process that forks; `Nursery` is how a test talks to it.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Self

HEAVY = (
    "asyncssh",
    "azure.identity",
    "azure.mgmt.authorization",
    "azure.mgmt.compute",
    "azure.mgmt.network",
    "azure.mgmt.resource",
    "boto3",
    "google.cloud.compute_v1",
    "google.cloud.tpu_v2",
)


class Forked:
    """A daemon of the nursery, as much like a Popen as is needed."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self.nursery, self.pid = nursery, pid
        self.returncode: int | None = None

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def poll(self) -> int | None:
        """Its exit status, None while it lives."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float) -> int:
        """Its exit status once it has ended, negative for a signal. Raises TimeoutExpired."""
        if self.returncode is None:
            descriptor = os.pidfd_open(self.pid)
            try:
                if not select.select([descriptor], [], [], timeout)[0]:
                    raise subprocess.TimeoutExpired(f"daemon {self.pid}", timeout)
            finally:
                os.close(descriptor)
            self.returncode = int(self.nursery.ask({"reap": self.pid}))
        return self.returncode


class Nursery:
    """The forking process, while open; `modules` are what its daemons need and take long to import."""

    def __init__(self, modules: Sequence[str] = HEAVY) -> None:
        self._modules = modules

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__, *self._modules], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.communicate()

    def ask(self, order: Mapping[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(order), file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())

    def start(self, argv: Sequence[str], environment: Mapping[str, str]) -> Forked:
        """A daemon with these arguments, in this environment and no other."""
        return Forked(self, int(self.ask({"argv": list(argv), "environment": dict(environment)})))


def _serve() -> None:
    import importlib

    from tradewind.broker.server import daemon

    for name in sys.argv[1:]:
        importlib.import_module(name)
    assert len(os.listdir("/proc/self/task")) == 1, "only a process of one thread may be forked"
    for line in sys.stdin:
        order = json.loads(line)
        if "reap" in order:
            answer = os.waitstatus_to_exitcode(os.waitpid(order["reap"], 0)[1])
        elif (answer := os.fork()) == 0:
            _become(daemon.main, order)
        print(answer, flush=True)


def _become(main: Any, order: dict[str, Any]) -> None:
    code = 70
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(2, 1)  # the pipes belong to the nursery
        os.environ.clear()
        os.environ.update(order["environment"])
        code = main(order["argv"])
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
