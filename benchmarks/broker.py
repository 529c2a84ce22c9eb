"""The daemon over local instances: its start and memory, the time to the first line of output, and from a SIGKILL to running again."""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tradewind.broker.server.client import DaemonClient
from tradewind.spec import parse_task, task_to_dict

HELLO = """
name: hello
num_nodes: 1
resources: {cpus: 2+, use_spot: true}
run: echo hello
"""
COUNT = """
name: count
num_nodes: 2
resources: {cpus: 2+, use_spot: true}
run: |
  mkdir -p $TRADEWIND_CHECKPOINT_DIR
  n=0
  for f in $TRADEWIND_CHECKPOINT_DIR/step-*; do [ -e "$f" ] && n=$(( 10#${f##*-} )); done
  echo "begins at $n"
  while true; do
    n=$((n + 1)); f=$TRADEWIND_CHECKPOINT_DIR/step-$(printf %06d $n)
    echo $n > $f.tmp; mv $f.tmp $f; sleep 0.1
  done
"""
SPEAK = """
name: speak
resources: {cpus: 2+, use_spot: true}
run: for i in $(seq 25); do echo "$EPOCHREALTIME"; sleep 0.2; done
"""
READERS = 8
# What each figure is held to; None: shown for what it is.
GOALS = {
    "daemon start, s": 1.0,
    "daemon idle RSS, MB": 80.0,
    "daemon RSS after its first plan, MB": 160.0,
    "jobs launch to first output, s": 3.0,
    "a line printed until the last of 8 readers has it, worst, s": 0.3,
    "SIGKILL of an instance noticed, s": 1.0,
    "SIGKILL of an instance to running again, s": 5.0,
}
RUNS = 3


def rss_mb(pid: int) -> float:
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) / 1024


def until(holds: Callable[[], object], deadline_s: float = 60.0) -> None:
    deadline = time.monotonic() + deadline_s
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError("the daemon did not get there")
        time.sleep(0.01)


def submit(client: DaemonClient, text: str) -> int:
    body = {"task": task_to_dict(parse_task(text, "bench.yaml", "/")), "rehearse": True, "accepted_hourly_usd": 100.0}
    return int(client.post("/v1/jobs", body)["job_id"])


def first_output_s(client: DaemonClient) -> float:
    began = time.monotonic()
    job = submit(client, HELLO)
    next(iter(client.stream(f"/v1/jobs/{job}/logs?follow=1")))
    took = time.monotonic() - began
    until(lambda: not client.get("/v1/clusters"))
    return took


def slowest_line_s(client: DaemonClient) -> float:
    """Seconds from the moment at which a program prints a line until every one of READERS followers has it, of the slowest line."""
    job = submit(client, SPEAK)

    def follow() -> float:
        worst = 0.0
        for piece in client.stream(f"/v1/jobs/{job}/logs?follow=1"):
            now = time.time()
            worst = max([worst, *(now - float(line) for line in piece.split())])
        return worst

    with ThreadPoolExecutor(READERS) as readers:
        took = max(readers.map(lambda _: follow(), range(READERS)))
    until(lambda: not client.get("/v1/clusters"))
    return took


def hosts_of(instance_id: str) -> list[int]:
    """Pids of the process that stands for the machine."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                command = file.read()
        except OSError:
            continue
        if instance_id.encode() in command and b"host.py" in command:
            found.append(int(pid))
    return found


def recovery_s(client: DaemonClient) -> tuple[float, float]:
    """Seconds from the SIGKILL of one of two instances until it is noticed, and until both ranks run again from a checkpoint."""
    job = submit(client, COUNT)
    stream = iter(client.stream(f"/v1/jobs/{job}/logs?follow=1"))
    for _ in range(2):
        next(stream)
    checkpoints = client.get(f"/v1/jobs/{job}")["checkpoint_uri"].removeprefix("file://")
    until(lambda: os.path.isdir(checkpoints) and len(os.listdir(checkpoints)) == 2)
    time.sleep(1.0)  # some checkpoints of both ranks
    cluster = client.get(f"/v1/jobs/{job}")["cluster"]
    victim = client.get(f"/v1/clusters/{cluster}")["instances"][1]["instance_id"]
    killed, killed_unix = time.monotonic(), time.time()
    for pid in hosts_of(victim):
        os.kill(pid, signal.SIGKILL)
    said = b""
    while said.count(b"begins at") < 2:
        said += next(stream)
    took = time.monotonic() - killed
    assert b"begins at 0" not in said, f"a rank began anew: {said.decode()}"
    noticed = next(e["unix"] for e in client.get(f"/v1/events?subject=job/{job}") if e["kind"] == "preempted")
    client.post(f"/v1/jobs/{job}/cancel")
    until(lambda: not client.get("/v1/clusters"))
    return noticed - killed_unix, took


def measure() -> dict[str, float]:
    """Every figure, medians of RUNS where a thing can be done again."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="tradewind-bench-") as directory:
        starts = []
        for run in range(RUNS):
            began = time.monotonic()
            client = DaemonClient.connect(os.path.join(directory, f"data-{run}"))
            starts.append(time.monotonic() - began)
            if run < RUNS - 1:
                client.stop()
        pid = int(client.hello()["pid"])
        try:
            found["daemon start, s"] = statistics.median(starts)
            found["daemon idle RSS, MB"] = rss_mb(pid)
            task = task_to_dict(parse_task(COUNT, "bench.yaml", "/"))
            began = time.monotonic()
            client.post("/v1/plan", {"task": task, "rehearse": True})
            found["first plan in the daemon, s"] = time.monotonic() - began
            found["daemon RSS after its first plan, MB"] = rss_mb(pid)
            found["jobs launch to first output, s"] = statistics.median(first_output_s(client) for _ in range(RUNS))
            found["a line printed until the last of 8 readers has it, worst, s"] = slowest_line_s(client)
            recoveries = [recovery_s(client) for _ in range(RUNS)]
            found["SIGKILL of an instance noticed, s"] = statistics.median(noticed for noticed, _ in recoveries)
            found["SIGKILL of an instance to running again, s"] = statistics.median(again for _, again in recoveries)
            found["daemon RSS after all that, MB"] = rss_mb(pid)
        finally:
            for cluster in client.get("/v1/clusters"):
                client.post(f"/v1/clusters/{cluster['name']}/down")
            client.stop()
    return found


def main(argv: list[str] | None = None) -> int:
    """Print each figure beside its goal; 1 when one is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    as_json = parser.parse_args(argv).json
    found = measure()
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        for name, value in found.items():
            goal = GOALS.get(name)
            verdict = "" if goal is None else f"   goal {goal:g}   {'met' if value <= goal else 'MISSED'}"
            print(f"{name:60s} {value:8.2f}{verdict}")
    return int(any(found[name] > goal for name, goal in GOALS.items()))


if __name__ == "__main__":
    raise SystemExit(main())
