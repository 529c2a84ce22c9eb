"""How every process of an instance is held together, so that ending the instance ends them all.

Three ways, the first that works here: a PID namespace made by root; one made in a user namespace; plain processes. In a PID namespace the kernel
ends everything with the first process. Plain processes are ended by walking down from the host, which is their subreaper, and then by the mark
`TRADEWIND_INSTANCE_AT=<directory>` in their environment; what both escapes (its host killed by hand, its environment cleared) is beyond that last way.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import time
from typing import Literal

from tradewind.broker.clouds.local.directory import InstanceDirectory

Containment = Literal["pid-namespace", "user-namespace", "plain"]
# the directory, not the id: the same id may stand under two data directories
MARK = "TRADEWIND_INSTANCE_AT"

_UNSHARE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
_PREFIX: dict[Containment, tuple[str, ...]] = {
    "pid-namespace": (*_UNSHARE, "--"),
    "user-namespace": (*_UNSHARE, "--user", "--map-current-user", "--"),
    "plain": (),
}


def best_containment() -> Containment:
    """The strongest way that works on this machine, tried for real (some tens of milliseconds)."""
    ways: tuple[Containment, ...] = ("pid-namespace",) if os.geteuid() == 0 else ()
    for way in (*ways, "user-namespace"):
        try:
            probe = subprocess.run(
                [*_PREFIX[way], "true"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=5,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if probe.returncode == 0:
            return way
    return "plain"


def contained(way: Containment, argv: list[str]) -> list[str]:
    """The command line that runs `argv` as the first process of an instance; its program is an absolute path."""
    whole = [*_PREFIX[way], *argv]
    program = shutil.which(whole[0])
    if program is None:
        raise FileNotFoundError(whole[0])
    return [program, *whole[1:]]


def first_process(directory: InstanceDirectory) -> int | None:
    """The pid, as this process sees it, of the first process of the PID namespace that was made for this directory; None when none lives."""
    marked = _marked(f"{MARK}={directory.path}".encode())
    return next((pid for pid in marked if _is_namespace_init(pid)), None)


def end_processes(directory: InstanceDirectory, *, deadline_s: float = 10) -> bool:
    """SIGKILL every process of the instance and wait until they are gone; False if some are left after `deadline_s` seconds. Blocks."""
    deadline = time.monotonic() + deadline_s
    mark = f"{MARK}={directory.path}".encode()
    while True:
        marked = _marked(mark)
        first = [pid for pid in marked if _is_namespace_init(pid)]
        host = [pid for pid in marked if _is_host(pid)]
        if first:
            # only the first process: `unshare` above it holds the lock until the kernel has ended the whole namespace
            _kill_and_wait(first, mark, deadline)
        elif below := _descendants(host):
            _kill_and_wait(below, None, deadline)
            continue  # more may have been born meanwhile; their subreaper lives, so none can escape
        elif marked:
            _kill_and_wait(marked, mark, deadline)
        if directory.lock_is_free() and not _marked(mark):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)


def _marked(mark: bytes) -> list[int]:
    """Every process whose environment at its start carried the instance's mark."""
    return [pid for pid in _all_pids() if _has_mark(pid, mark)]


def _has_mark(pid: int, mark: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as environ:
            return mark in environ.read().split(b"\0")
    except OSError:
        return False  # gone, or another user's


def _all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _is_namespace_init(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/status", "rb") as status:
            for line in status:
                if line.startswith(b"NSpid:"):
                    numbers = line.split()[1:]
                    return len(numbers) > 1 and numbers[-1] == b"1"
    except OSError:
        pass
    return False


def _is_host(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as cmdline:
            return any(part.endswith(b"/clouds/local/host.py") for part in cmdline.read().split(b"\0")[:6])
    except OSError:
        return False


def _descendants(roots: list[int]) -> list[int]:
    """Every living process below `roots`, themselves left out."""
    if not roots:
        return []
    children: dict[int, list[int]] = {}
    for pid in _all_pids():
        try:
            with open(f"/proc/{pid}/stat", "rb") as stat:
                fields = stat.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if fields[0] not in (b"Z", b"X"):
            children.setdefault(int(fields[1]), []).append(pid)
    found: list[int] = []
    waiting = list(roots)
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def _kill_and_wait(pids: list[int], mark: bytes | None, deadline: float) -> None:
    """SIGKILL through pidfds, so that a number that was given to another process meanwhile is never hit."""
    dying = select.poll()
    fds: set[int] = set()
    try:
        for pid in pids:
            try:
                fd = os.pidfd_open(pid)
            except OSError:
                continue
            fds.add(fd)
            dying.register(fd, select.POLLIN)
            if mark is None or _has_mark(pid, mark):
                try:
                    signal.pidfd_send_signal(fd, signal.SIGKILL)
                except OSError:
                    continue
        left = set(fds)
        while left and time.monotonic() < deadline:
            for fd, _ in dying.poll(max(1, int((deadline - time.monotonic()) * 1000))):
                dying.unregister(fd)
                left.discard(fd)
    finally:
        for fd in fds:
            os.close(fd)
