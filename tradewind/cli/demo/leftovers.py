"""What a run has left on this machine, counted for real: processes by mark, directories by listing, rows by asking."""

from __future__ import annotations

import os
import time
from typing import NamedTuple


class Leftovers(NamedTuple):
    """What was found: one line for each process, instance directory, or row that is still up."""

    processes: tuple[str, ...]
    directories: tuple[str, ...]
    rows: tuple[str, ...]

    def __bool__(self) -> bool:
        """Whether anything is left."""
        return bool(self.processes or self.directories or self.rows)


def _ancestors() -> set[int]:
    """This process and those that started it."""
    found = set()
    pid = os.getpid()
    while pid > 1:
        found.add(pid)
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                pid = int(file.read().rpartition(")")[2].split()[1])
        except OSError:
            break
    return found


def processes(mark: str) -> tuple[str, ...]:
    """Live processes whose environment or command line holds `mark` (a path nobody else uses), this one and its ancestors left out."""
    needle = mark.encode()
    mine = _ancestors()
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) in mine:
            continue
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                command = file.read()
            with open(f"/proc/{name}/environ", "rb") as file:
                environment = file.read()
        except OSError:
            continue  # ended meanwhile, or another user's: ours are readable
        if command and (needle in command or needle in environment):  # an empty command line: a zombie, already dead
            found.append(f"process {name}: {command.replace(bytes(1), b' ').decode(errors='replace').strip()[:100]}")
    return tuple(found)


def directories(root: str) -> tuple[str, ...]:
    """Every entry of the directory that holds the instances; none when there is no such directory."""
    try:
        return tuple(sorted(os.path.join(root, name) for name in os.listdir(root)))
    except FileNotFoundError:
        return ()


def settled(mark: str, within_s: float = 2.0) -> tuple[str, ...]:
    """The processes that hold `mark` once there are none, or after `within_s` seconds: a daemon that answered its stop is still exiting."""
    deadline = time.monotonic() + within_s
    while (found := processes(mark)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found
