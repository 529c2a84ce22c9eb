"""The agent's durable state: what a restarted agent must know. Small files in `<home>/.tradewind/agent/`, each replaced at once.

    lock           flock of the agent that serves this home
    agent.sock     where it listens
    place.json     its place in the cluster
    lease.json     when it ends its instance
    jobs.json      every phase of every job
    events.jsonl   every event, one a line

Nothing secret is ever written here.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import TypeVar

import msgspec

from tradewind.agent.own_log import note
from tradewind.agent.protocol import AgentEvent, AgentFact, Configure, JobInfo, agent_socket_path

T = TypeVar("T")


class AlreadyServedError(Exception):
    """Another agent serves this home."""


class StateDirectory:
    """The files of one agent. Made by the agent that holds the lock; reading and writing them blocks for microseconds."""

    def __init__(self, home: str) -> None:
        self.home = home
        self.socket = agent_socket_path(home)
        self.path = os.path.dirname(self.socket)
        self._lock_fd: int | None = None

    def take(self) -> None:
        """Make the directory (0700) and hold its lock until this process ends. Raises AlreadyServedError."""
        os.makedirs(self.path, mode=0o700, exist_ok=True)
        os.chmod(self.path, 0o700)
        fd = os.open(os.path.join(self.path, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            raise AlreadyServedError(f"another agent serves {self.home}: this one is not needed") from None
        self._lock_fd = fd

    def read_place(self) -> Configure | None:
        return self._read("place.json", Configure)

    def write_place(self, place: Configure) -> None:
        self._write("place.json", place)

    def read_lease(self) -> float | None:
        return self._read("lease.json", float)

    def write_lease(self, until_unix: float) -> None:
        self._write("lease.json", until_unix)

    def read_jobs(self) -> list[JobInfo]:
        return self._read("jobs.json", list[JobInfo]) or []

    def write_jobs(self, jobs: list[JobInfo]) -> None:
        """On a full disk the jobs go on, and a restarted agent would know what was written last."""
        try:
            self._write("jobs.json", jobs)
        except OSError as error:
            _complain(f"the list of jobs could not be written: {error}")

    def _read(self, name: str, kind: type[T]) -> T | None:
        try:
            with open(os.path.join(self.path, name), "rb") as file:
                return msgspec.json.decode(file.read(), type=kind)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def _write(self, name: str, value: object) -> None:
        path = os.path.join(self.path, name)
        fd = os.open(path + ".partial", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(msgspec.json.encode(value))
        os.replace(path + ".partial", path)


def _complain(sentence: str) -> None:
    """A line in the agent's own log, if there is room for it: that may lie on the same full disk."""
    with contextlib.suppress(OSError):
        note(sentence)


class EventLog:
    """Numbered facts, from 1. Each is on file before anyone hears of it; a line cut off by a kill is forgotten, and nobody had heard it."""

    def __init__(self, path: str) -> None:
        self.events: list[AgentEvent] = []
        whole = 0
        try:
            with open(path, "rb") as file:
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self.events.append(msgspec.json.decode(line, type=AgentEvent))
                    whole += len(line)
        except FileNotFoundError:
            pass
        except msgspec.DecodeError:
            pass  # what stands before the damage is kept
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._whole = whole
        os.ftruncate(self._fd, whole)

    @property
    def last_seq(self) -> int:
        return len(self.events)

    def append(self, fact: AgentFact) -> AgentEvent:
        """Number the fact and put it on file; on a full disk it is told all the same, and a restarted agent would not know it."""
        event = AgentEvent(seq=self.last_seq + 1, unix=time.time(), fact=fact)
        line = msgspec.json.encode(event) + b"\n"
        try:
            if os.write(self._fd, line) == len(line):
                self._whole += len(line)
            else:
                os.ftruncate(self._fd, self._whole)
        except OSError as error:
            _complain(f"event {event.seq} could not be put on file: {error}")
        self.events.append(event)
        return event

    def close(self) -> None:
        os.close(self._fd)
