"""Chaos under managed jobs: daemon, agents and instances are killed, frozen and cut off, the disk fills and the provider dawdles at random while
jobs count to N; `make soak-jobs`.

Real daemons, real local instances, the rehearsed catalog. Every step that a program counts is a line of its witness file, so that what ran, how
often and where it went on is known apart from what the daemon believes. The daemon's bill is held to the lives of instances as their locks tell.
The disk that fills is a small one of its own, which takes root to mount; without it that mood is left out.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))  # what drives real daemons lives with the tests

from tests.broker.real import RealDaemon, task, until
from tradewind.broker.server.client import DaemonUnreachable

FREEZE_S = 3.0  # a busy machine: no loss
CUT_S = 25.0  # longer than an agent may be silent: nobody hears of the instance, and nothing happens on it
FULL_S = 4.0
DISK_MB = 384
SLOW = "launch:before:1.5,release:agent-told:2.0"
# Counted after a checkpoint's rename and before the agent has it in its store, when the machine dies in just that moment.
ON_ITS_WAY = 3
MOODS = ("daemon", "slow provider", "agent", "instance", "instance", "frozen agent", "cut off", "full disk")
SLACK_S = 5.0  # of a moment in the bill: a busy machine looks late
COUNT = """
name: count
resources: {{cpus: 2+, use_spot: true}}
run: |
  cd "$TRADEWIND_CHECKPOINT_DIR"
  w={witness}/$TRADEWIND_MANAGED_JOB_ID
  n=0
  for f in step-*; do [ -e "$f" ] && m=${{f##*-}} && [ $m -gt $n ] && n=$m; done
  echo "begin $n" >> $w
  while [ $n -lt {steps} ]; do
    sleep {step_s}
    n=$((n+1))
    echo $n >> $w
    if [ $((n % {every})) = 0 ]; then
      if echo $n 2>/dev/null > x.tmp && [ -s x.tmp ] && mv x.tmp step-$n; then echo "saved $n" >> $w; fi
      for f in step-*; do [ ${{f##*-}} -lt $((n - 2 * {every})) ] && rm -f $f; done
    fi
  done
  true
"""


class Chaos:
    """One soak: `victims` says how often each was hit."""

    def __init__(
        self, directory: str, *, jobs: int, steps: int, every: int, active: int, seed: int, moods: Sequence[str] = MOODS
    ) -> None:
        self.moods = tuple(moods)
        self.directory = directory
        self.witness = os.path.join(directory, "witness")
        os.makedirs(self.witness)
        self.daemon = RealDaemon(os.path.join(directory, "data"))
        os.makedirs(self.daemon.data_dir, mode=0o700)
        disk = _small_disk(self.daemon.data_dir)
        pathlib.Path(self.daemon.data_dir, "limits.yaml").write_text(f"max_active_jobs: {active}\n")
        self.jobs, self.steps, self.every = jobs, steps, every
        self.draw = random.Random(seed)
        self.victims: Counter[str] = Counter()
        # Instance -> first and last seen alive; its directory outlives it when the daemon was killed before it could tidy up.
        self.lives: dict[str, tuple[float, float]] = {}
        self._looked_enough = threading.Event()
        self._looking = threading.Thread(target=self._look, name="witness of lives")
        self._thaws: list[tuple[float, list[int]]] = []  # when whom
        self._frozen: set[str] = set()
        self.disk = disk
        self.full_until: float = 0.0

    def run(self, seconds: float, *, pause_s: tuple[float, float] = (0.5, 3.0)) -> dict[str, float]:
        """Submit, let things die for so many seconds, let everything end, and check. Raises AssertionError."""
        client = self.daemon.start()
        self._looking.start()
        text = COUNT.format(witness=self.witness, steps=self.steps, every=self.every, step_s=0.1)
        for number in range(self.jobs):
            body = {"task": task(text), "rehearse": True, "accepted_hourly_usd": 1.0, "client_key": f"soak-{number}"}
            client.post("/v1/jobs", body)
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self._all_ended():
            self._pause(self.draw.uniform(*pause_s))
            self._strike()
        self._calm()
        deadline = time.monotonic() + max(300.0, 5 * seconds)
        while not self._all_ended():
            assert time.monotonic() < deadline, f"jobs do not end; {self.daemon.log()}"
            self._pause(0.5)
        return self._judge()

    def _look(self) -> None:
        while not self._looked_enough.wait(0.05):
            now = time.time()
            held = _locked_inodes()
            for name in self.daemon.instances_on_disk():
                with contextlib.suppress(FileNotFoundError):
                    if os.stat(os.path.join(self.daemon.data_dir, "instances", name, "alive.lock")).st_ino in held:
                        first, _ = self.lives.get(name, (now, now))
                        self.lives[name] = (first, now)

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._thaw(time.monotonic())
            time.sleep(0.05)

    def _thaw(self, until: float) -> None:
        due = [one for one in self._thaws if one[0] <= until]
        self._thaws = [one for one in self._thaws if one[0] > until]
        for _, pids in due:
            self._signal(pids, signal.SIGCONT)
        if not self._thaws:
            self._frozen.clear()
        if self.full_until and self.full_until <= until:
            self.full_until = 0.0
            os.unlink(self._filler)

    def _calm(self) -> None:
        """Nothing is frozen, full or slow any more."""
        self._thaw(float("inf"))

    @property
    def _filler(self) -> str:
        return os.path.join(self.daemon.data_dir, "filler")

    def close(self) -> None:
        """Every process is ended, and the small disk is gone."""
        self._looked_enough.set()
        if self._looking.is_alive():
            self._looking.join()
        self._calm()
        try:
            self.daemon.end()
        finally:
            if self.disk:
                subprocess.run(["umount", "-l", self.daemon.data_dir], check=False, capture_output=True)

    def _rows(self) -> list[dict[str, Any]]:
        with contextlib.suppress(DaemonUnreachable, OSError):
            client = until("the daemon answers", self.daemon._client, self.daemon.log)
            return list(client.get("/v1/jobs?limit=100000"))
        return []

    def _all_ended(self) -> bool:
        rows = self._rows()
        return len(rows) == self.jobs and all(row["ended_unix"] for row in rows)

    def _strike(self) -> None:
        what = self.draw.choice(self.moods)
        if what in {"daemon", "slow provider"}:
            self._calm()  # a daemon does not start on a full disk, and says so
            self.daemon.kill()
            self._pause(self.draw.uniform(0, 2))  # closed for a moment: jobs run on
            self.daemon.start(**({"TRADEWIND_SLOW_AT": SLOW} if what == "slow provider" else {}))
            self.victims[what] += 1
            return
        if what == "full disk":
            if self.disk and not self.full_until:
                _fill(self._filler)
                self.full_until = time.monotonic() + FULL_S
                self.victims[what] += 1
            return
        # One blow at a time: who is frozen saves nothing, and would lose that too.
        instances = [name for name in self.daemon.instances_on_disk() if name not in self._frozen]
        if not instances:
            return
        victim = self.draw.choice(instances)
        word = {"instance": "host.py", "cut off": ""}.get(what, "tradewind.agent")
        found = processes_of(victim, word)
        if not found:
            return
        self.victims[what] += 1
        if what in {"frozen agent", "cut off"}:
            self._signal(found, signal.SIGSTOP)
            self._frozen.add(victim)
            self._thaws.append((time.monotonic() + (CUT_S if what == "cut off" else FREEZE_S), found))
        else:
            self._signal(found, signal.SIGKILL)

    def _signal(self, pids: list[int], number: signal.Signals) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _judge(self) -> dict[str, float]:
        client = self.daemon._client() or self.daemon.start()
        until("every cluster goes", lambda: client.get("/v1/clusters") == [], self.daemon.log)
        rows = self._rows()
        assert Counter(row["state"] for row in rows) == {"SUCCEEDED": self.jobs}, [row["why"] for row in rows]
        most, losses = 0, 0
        for row in rows:
            repeated, begins = self._read(int(row["id"]))
            most = max(most, repeated)
            losses += begins - 1
        assert most <= self.every + ON_ITS_WAY, (
            f"{most} steps repeated after one loss, with a checkpoint every {self.every}"
        )
        assert self.daemon.processes() == [], "processes are left"
        left = self.daemon.instances_on_disk()
        assert left == [], f"instances are left: {left}; {self._all_told(left)}"
        self._looked_enough.set()
        self._looking.join()
        billed, seen = self._bill(client)
        return {
            "jobs that counted to the end": float(len(rows)),
            **{f"strikes at a {name}": float(count) for name, count in sorted(self.victims.items())},
            "times a program began again": float(losses),
            f"most steps repeated after a loss (a checkpoint every {self.every})": float(most),
            "instance-seconds billed": billed,
            "instance-seconds seen": seen,
        }

    def _all_told(self, names: list[str]) -> str:
        """What the daemon's log and their directories say of these instances."""
        log = pathlib.Path(self.daemon.data_dir, "daemon.log").read_text().splitlines()
        lines = [line for line in log if any(name in line for name in names)]
        found = [
            str(path) for name in names for path in pathlib.Path(self.daemon.data_dir, "instances", name).iterdir()
        ]
        return "\n".join([*lines[-20:], *found[:20]])

    def _read(self, job_id: int) -> tuple[int, int]:
        """The most steps repeated after one loss, and how often the program began; every step in order, each life going on from a kept one."""
        at, begins, most, counted = 0, 0, 0, set()
        saved: list[int] = []
        for line in pathlib.Path(self.witness, str(job_id)).read_text().splitlines():
            word, _, number = line.rpartition(" ")
            if word == "begin":
                assert int(number) <= at, f"job {job_id} went on from step {number}, and had counted to {at}"
                kept = int(number)
                late = [one for one in saved if kept < one <= at - ON_ITS_WAY]
                assert not late, f"job {job_id} went on from {kept}, and had saved {late} before it came to {at}"
                if not _were_full(saved, kept, at, self.every):
                    most = max(most, at - kept)
                saved = [one for one in saved if one <= kept]
                at, begins = int(number), begins + 1
            elif word == "saved":
                saved.append(int(number))
            else:
                assert int(number) == at + 1, f"job {job_id} counted {number} after {at}: two lives at once"
                at += 1
                counted.add(at)
        assert at == self.steps, f"job {job_id} ended at {at}"
        assert counted == set(range(1, self.steps + 1)), f"job {job_id} left steps out"
        return most, begins

    def _bill(self, client: Any) -> tuple[float, float]:
        """Instance-seconds by the daemon's bill, and by what was on disk; every instance that was there is on the bill, once."""
        billed: dict[str, dict[str, Any]] = {}
        for row in self._rows():
            for line in client.get(f"/v1/jobs/{row['id']}/bill")["instances"]:
                assert line["instance_id"] not in billed, "an instance is billed once"
                assert not line["running"], f"{line['instance_id']} is still billed"
                billed[line["instance_id"]] = line
        missing = set(self.lives) - set(billed)
        assert not missing, f"instances that nobody is billed for: {missing}"
        for name, (first, last) in self.lives.items():
            line = billed[name]
            assert abs(line["launched_unix"] - first) <= SLACK_S, (
                f"{name} was there at {first}, billed from {line['launched_unix']}"
            )
            assert abs(line["ended_unix"] - last) <= SLACK_S, (
                f"{name} was gone at {last}, billed to {line['ended_unix']}"
            )
        return sum(line["seconds"] for line in billed.values()), sum(
            last - first for first, last in self.lives.values()
        )


def _were_full(saved: list[int], kept: int, at: int, every: int) -> bool:
    """Whether a checkpoint that was due since the kept one could not be written: the disk was full, and no machine's loss is to blame."""
    due = {one for one in range(kept + 1, at + 1) if one % every == 0}
    return not due <= set(saved)


def _locked_inodes() -> set[int]:
    """Inodes on which some process holds a lock (proc(5), /proc/locks), looked at without touching them."""
    return {
        int(line.split()[5].rpartition(":")[2])
        for line in pathlib.Path("/proc/locks").read_text().splitlines()
        if "FLOCK" in line and "->" not in line
    }


def _small_disk(directory: str) -> bool:
    """Whether the directory is a disk of its own now, of DISK_MB."""
    if os.geteuid() != 0:
        return False
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=700", "tradewind-soak", directory]
    return subprocess.run(mount, check=False, capture_output=True).returncode == 0


def _fill(path: str) -> None:
    """Nothing more fits on the disk."""
    with open(path, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(1 << 20)):
            pass


def processes_of(instance_id: str, word: str) -> list[int]:
    """Processes of the instance whose command line holds the word."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            command = pathlib.Path("/proc", pid, "cmdline").read_bytes().decode(errors="replace")
            if word in command and (instance_id in command or instance_id in _environment(pid)):
                found.append(int(pid))
    return found


def _environment(pid: str) -> str:
    return pathlib.Path("/proc", pid, "environ").read_bytes().decode(errors="replace")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--steps", type=int, default=200, help="each a tenth of a second")
    parser.add_argument("--active", type=int, default=6, help="at a time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mood", action="append", choices=sorted(set(MOODS)), help="only this one; may be repeated")
    asked = parser.parse_args()
    directory = tempfile.mkdtemp(prefix="tw-soak-")
    chaos = Chaos(
        directory,
        jobs=asked.jobs,
        steps=asked.steps,
        every=20,
        active=asked.active,
        seed=asked.seed,
        moods=asked.mood or MOODS,
    )
    try:
        for name, value in chaos.run(asked.minutes * 60).items():
            print(f"{name:<70} {value:>10.4g}")
    finally:
        with contextlib.suppress(Exception):
            chaos.close()
        shutil.rmtree(directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
