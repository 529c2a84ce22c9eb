"""Memory limits that the kernel keeps, by control groups, where this process may make any; elsewhere the memory guard alone looks on.

Both versions of the interface: https://docs.kernel.org/admin-guide/cgroup-v1/memory.html and https://docs.kernel.org/admin-guide/cgroup-v2.html.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass

_ROOT = "/sys/fs/cgroup"
_PREFIX = "tradewind-"
_EMPTY_S = 1.0


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Where the memory controller is on this machine, and our own place in it ("/" or "/a/b")."""

    root: str
    own: str
    version: int

    def path(self, name: str = "") -> str:
        """The directory of our own group, or of one below it."""
        return os.path.join(self.root, self.own.lstrip("/"), name).rstrip("/")

    @property
    def limit_file(self) -> str:
        """Which file of a group holds its limit."""
        return "memory.limit_in_bytes" if self.version == 1 else "memory.max"

    @property
    def kills_file(self) -> str:
        """Which file counts the processes that the kernel has ended in the group."""
        return "memory.oom_control" if self.version == 1 else "memory.events"


def hierarchy(memberships: str, root: str = _ROOT) -> Hierarchy | None:
    """The memory hierarchy, from the text of /proc/self/cgroup; None when there is none."""
    unified = ""
    for line in memberships.splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            return Hierarchy(os.path.join(root, "memory"), path, 1)
        if not controllers:
            unified = path
    return Hierarchy(root, unified, 2) if unified and os.path.exists(f"{root}/cgroup.controllers") else None


def own_hierarchy() -> Hierarchy | None:
    """This process's."""
    try:
        with open("/proc/self/cgroup") as file:
            return hierarchy(file.read())
    except OSError:
        return None


class MemoryGroups:
    """One control group a limited worker, below one of the node's own. Every call says whether it worked; none raises."""

    def __init__(self, node: str) -> None:
        """Nothing is made before the first limit."""
        self._name = _PREFIX + node[:12]
        self._place: str | None = None
        self._hierarchy: Hierarchy | None = None
        self._tried = False
        self._homes: dict[int, str] = {}
        self._limits: dict[int, int] = {}

    def limit(self, pid: int, size: int) -> bool:
        """True when the kernel ends whatever in the process takes its group beyond size bytes."""
        place = self._ready()
        if place is None:
            return False
        group = os.path.join(place, str(pid))
        try:
            home = self._home_of(pid)
            with contextlib.suppress(FileExistsError):
                os.mkdir(group)
            self._set(group, size)
            _write(os.path.join(group, "cgroup.procs"), str(pid))
        except OSError:
            with contextlib.suppress(OSError):
                os.rmdir(group)
            return False
        self._homes.setdefault(pid, home)
        self._limits[pid] = size
        return True

    def _set(self, group: str, size: int) -> None:
        assert self._hierarchy is not None
        _write(os.path.join(group, self._hierarchy.limit_file), str(size))
        with contextlib.suppress(OSError):  # a machine without swap accounting
            if self._hierarchy.version == 1:
                _write(os.path.join(group, "memory.memsw.limit_in_bytes"), str(size))
            else:
                _write(os.path.join(group, "memory.swap.max"), "0")

    def allow(self, pid: int, size: int) -> None:
        """The process may touch so many bytes more: pages of the arena count for whoever touches them first."""
        if pid in self._limits and self._place is not None:
            self._limits[pid] += size
            group = os.path.join(self._place, str(pid))
            limit = self._limits[pid]
            with contextlib.suppress(OSError):
                if self._hierarchy is not None and self._hierarchy.version == 1:
                    with contextlib.suppress(OSError):
                        _write(os.path.join(group, "memory.memsw.limit_in_bytes"), str(limit))
                self._set(group, limit)

    def killed(self, pid: int) -> bool:
        """True when the kernel has ended a process of the group for want of memory."""
        if pid not in self._limits or self._place is None or self._hierarchy is None:
            return False
        try:
            with open(os.path.join(self._place, str(pid), self._hierarchy.kills_file)) as file:
                return any(line.startswith("oom_kill ") and int(line.split()[1]) > 0 for line in file)
        except OSError:
            return False

    def release(self, pid: int) -> None:
        """The process has no limit any more."""
        if self._limits.pop(pid, None) is None or self._place is None:
            return
        with contextlib.suppress(OSError):
            _write(os.path.join(self._homes.pop(pid), "cgroup.procs"), str(pid))
        with contextlib.suppress(OSError):
            os.rmdir(os.path.join(self._place, str(pid)))

    def _ready(self) -> str | None:
        if not self._tried:
            self._tried = True
            self._hierarchy = own_hierarchy()
            if self._hierarchy is not None:
                self._place = self._make(self._hierarchy)
        return self._place

    def _make(self, found: Hierarchy) -> str | None:
        """The node's own group: under ours, or with rights over the whole machine at the top, where version 2 has room for one."""
        parents = [found.path()] if found.version == 1 else [found.root, found.path()]
        for parent in parents:
            _remove_empty(parent)
            place = os.path.join(parent, self._name)
            try:
                if found.version == 2:
                    with contextlib.suppress(OSError):  # there already, or not ours to give
                        _write(os.path.join(parent, "cgroup.subtree_control"), "+memory")
                os.mkdir(place)
                if found.version == 2:
                    _write(os.path.join(place, "cgroup.subtree_control"), "+memory")
            except FileExistsError:
                return place
            except OSError:
                with contextlib.suppress(OSError):
                    os.rmdir(place)
                continue
            return place
        return None

    def _home_of(self, pid: int) -> str:
        with open(f"/proc/{pid}/cgroup") as file:
            found = hierarchy(file.read())
        assert found is not None
        return found.path()

    def close(self) -> None:
        """The node's groups are gone, as soon as the processes in them are."""
        if self._place is None:
            return
        deadline = time.monotonic() + _EMPTY_S
        for pid in list(self._limits):
            while os.path.isdir(group := os.path.join(self._place, str(pid))) and time.monotonic() < deadline:
                try:
                    os.rmdir(group)
                except OSError:
                    time.sleep(0.005)
        with contextlib.suppress(OSError):
            os.rmdir(self._place)


def _remove_empty(parent: str) -> None:
    """Groups that a node daemon left behind which was killed; those in use cannot be removed."""
    with contextlib.suppress(OSError):
        for name in os.listdir(parent):
            if name.startswith(_PREFIX):
                for directory, _, _ in os.walk(os.path.join(parent, name), topdown=False):
                    with contextlib.suppress(OSError):
                        os.rmdir(directory)


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
