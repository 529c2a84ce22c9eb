"""Real daemons over real local instances: start, kill, wait, and count what is left."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from tests.broker.nursery import Forked, Nursery
from tradewind.broker.server.client import DaemonClient, DaemonUnreachable
from tradewind.spec import parse_task, task_to_dict

DEADLINE_S = 100.0  # a machine may be five times as busy as one thinks; below pytest's own 120 s


def until(what: str, holds: Callable[[], Any], describe: Callable[[], Any] = str) -> Any:
    """What `holds` returned once it was true; fails after DEADLINE_S."""
    deadline = time.monotonic() + DEADLINE_S
    while not (found := holds()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {DEADLINE_S:.0f} s; {describe()}")
        time.sleep(0.02)
    return found


def task(text: str) -> dict[str, Any]:
    return task_to_dict(parse_task(text, "task.yaml", "/"))


class RealDaemon:
    """The daemons of one data directory, one after the other; with a nursery they are forked there."""

    def __init__(self, data_dir: str, nursery: Nursery | None = None) -> None:
        self.data_dir = data_dir
        self._nursery = nursery
        self._process: subprocess.Popen[bytes] | Forked | None = None

    def start(self, *, idle_exit_s: float = 600.0, **environment: str) -> DaemonClient:
        """Start one of our own, with these variables set; it answers."""
        self.spawn(idle_exit_s=idle_exit_s, **environment)
        return until("the daemon answers", self._client, self.log)

    def spawn(self, *, idle_exit_s: float = 600.0, **environment: str) -> None:
        """Like `start`, for one that may die before it answers."""
        os.makedirs(self.data_dir, exist_ok=True)
        arguments = ["--data-dir", self.data_dir, "--idle-exit-s", str(idle_exit_s)]
        variables = {**os.environ, **environment}
        if self._nursery is not None:
            self._process = self._nursery.start(arguments, variables)
            return
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tradewind.broker.server", *arguments],
            env=variables,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def takes_over(self, token: int) -> DaemonClient:
        """A client of the one that was spawned, once it serves with that token: before, a question would go to the one whose place it takes."""
        until("it serves", lambda: f"token {token}" in self.log(), self.log)
        return until("it answers", self._client, self.log)

    def rival(self, **environment: str) -> subprocess.CompletedProcess[str]:
        """Another daemon over the same directory, which is expected to end by itself: what became of it."""
        command = [sys.executable, "-P", "-m", "tradewind.broker.server", "--data-dir", self.data_dir]
        variables = {**os.environ, **environment}
        return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=DEADLINE_S, check=False)

    def _client(self) -> DaemonClient | None:
        assert self._process is None or self._process.poll() is None, f"the daemon has died: {self.log()}"
        try:
            return DaemonClient.connect(self.data_dir, start=False)
        except DaemonUnreachable:
            return None

    def wait_dead(self) -> int:
        """The exit status of the one that was started."""
        assert self._process is not None
        return self._process.wait(timeout=DEADLINE_S)

    def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(timeout=DEADLINE_S)

    def end(self) -> None:
        """Take every cluster down and stop the daemon, whatever state things are in."""
        try:
            client = DaemonClient.connect(self.data_dir, start=False)
        except DaemonUnreachable:
            client = self.start()
        for cluster in client.get("/v1/clusters"):
            client.post(f"/v1/clusters/{cluster['name']}/down")
        client.stop()
        if self._process is not None:
            self._process.wait(timeout=10)

    def log(self) -> str:
        """The end of the daemon's log."""
        try:
            with open(os.path.join(self.data_dir, "daemon.log"), encoding="utf-8") as file:
                return file.read()[-3000:]
        except OSError:
            return "no log"

    def instances_on_disk(self) -> list[str]:
        """Directories of local instances."""
        try:
            return sorted(n for n in os.listdir(os.path.join(self.data_dir, "instances")) if not n.startswith("."))
        except FileNotFoundError:
            return []

    def processes(self) -> list[str]:
        """Command lines of processes that name the instances' directory, or carry it in their environment."""
        mark = os.fsencode(os.path.join(self.data_dir, "instances"))
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    command = file.read()
                with open(f"/proc/{pid}/environ", "rb") as file:
                    environment = file.read()
            except OSError:
                continue
            if command and (mark in command or mark in environment):
                found.append(command.replace(b"\0", b" ").decode(errors="replace"))
        return found
