"""What a job uses of its node: CPU, memory and accelerators, sampled when the broker asks (every few seconds)."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from tradewind.agent.processes import marked
from tradewind.agent.protocol import Usage

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_NVIDIA_QUERY = ("--query-gpu=utilization.gpu", "--format=csv,noheader,nounits")
_NVIDIA_TIMEOUT_S = 2.0  # a driver that hangs must not hold up the heartbeat


class Counted(NamedTuple):
    """The processes of one job at one moment: CPU seconds they and their ended children have used, and resident bytes."""

    cpu_s: float
    resident_bytes: int
    processes: int


def count(pids: Iterable[int], proc: str = "/proc") -> Counted:
    """Sums over the processes that still live. Pages that several of them share count for each."""
    cpu_ticks = resident = living = 0
    for pid in pids:
        try:
            with open(f"{proc}/{pid}/stat", "rb") as file:
                # proc(5): the name in brackets may hold anything, so fields count from behind its last bracket
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue  # it has ended since
        cpu_ticks += sum(int(field) for field in fields[11:15])  # utime, stime, cutime, cstime
        resident += int(fields[21]) * _PAGE_BYTES
        living += 1
    return Counted(cpu_ticks / _TICKS_PER_S, resident, living)


def between(earlier: tuple[float, Counted] | None, later: tuple[float, Counted]) -> Usage:
    """The usage at `later` (monotonic seconds, count): CPU as the mean number of cores since `earlier`, 0 at the first sample."""
    cpus = 0.0
    if earlier is not None and later[0] > earlier[0]:
        # A child that was ended and reaped by another takes its time with it; usage is never negative for that.
        cpus = max(0.0, (later[1].cpu_s - earlier[1].cpu_s) / (later[0] - earlier[0]))
    return Usage(cpus=cpus, memory_gib=later[1].resident_bytes / 2**30, processes=later[1].processes)


def nvidia_utilization() -> tuple[float, ...]:
    """Of each GPU, the share of the last second in which it computed, 0 to 1, as nvidia-smi says; () where there is none. Blocks."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    try:
        asked = subprocess.run(
            [program, *_NVIDIA_QUERY], capture_output=True, check=False, timeout=_NVIDIA_TIMEOUT_S, text=True
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return parse_utilization(asked.stdout) if asked.returncode == 0 else ()


def parse_utilization(told: str) -> tuple[float, ...]:
    """nvidia-smi's percentages, one a line, as shares. A GPU that cannot tell ("[N/A]", as MIG slices) counts as busy: nobody is warned for it."""
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    return tuple(float(line) / 100 if line.isdigit() else 1.0 for line in lines)


class Sampler:
    """Usage by job between one call and the next."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, accelerators: Callable[[], tuple[float, ...]] | None = None
    ) -> None:
        self._clock = clock
        self._accelerators = accelerators or nvidia_utilization
        self._earlier: dict[str, tuple[float, Counted]] = {}

    def sample(self, marks: Mapping[str, str]) -> dict[str, Usage]:
        """By job id, for the jobs whose processes carry these marks; jobs not named any more are forgotten. Blocks for milliseconds.

        Accelerators are the node's: a node runs one job at a time, so they are told with each.
        """
        self._earlier = {job_id: seen for job_id, seen in self._earlier.items() if job_id in marks}
        if not marks:
            return {}
        shares = self._accelerators()
        usage: dict[str, Usage] = {}
        for job_id, mark in marks.items():
            now = (self._clock(), count(marked(mark)))
            measured = between(self._earlier.get(job_id), now)
            self._earlier[job_id] = now
            usage[job_id] = Usage(measured.cpus, measured.memory_gib, measured.processes, shares)
        return usage
