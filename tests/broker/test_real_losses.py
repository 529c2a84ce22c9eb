"""Real processes killed with SIGKILL under a running job: whatever dies, the job comes back from its checkpoint and nothing runs twice."""

from __future__ import annotations

import contextlib
import os
import signal

import pytest

from tests.broker.real import RealDaemon, task, until

JOB = """
name: count
num_nodes: 2
resources: {{cpus: 2+, use_spot: true}}
run: |
  n=0
  for f in $TRADEWIND_CHECKPOINT_DIR/step-*; do [ -e "$f" ] && n=${{f##*-}}; done
  echo "$TRADEWIND_NODE_RANK begins at $n"
  echo "$TRADEWIND_JOB_ID $TRADEWIND_NODE_RANK" >> {witness}
  if [ $n = 0 ]; then echo 1 > $TRADEWIND_CHECKPOINT_DIR/x.tmp; mv $TRADEWIND_CHECKPOINT_DIR/x.tmp $TRADEWIND_CHECKPOINT_DIR/step-1; sleep 600; fi
  echo "$TRADEWIND_NODE_RANK is done"
"""

# what is killed -> words of its command line, and whether its machine outlives it
VICTIMS = {
    "the instance": (("host.py",), False),
    "the agent": (("tradewind.agent",), True),
    "the runtime's head": (("tradewind.runtime", "head"), True),
    "the runtime's node daemon": (("tradewind.runtime", "node"), True),
}


@pytest.fixture
def daemon(tmp_path):
    daemon = RealDaemon(str(tmp_path / "data"))
    yield daemon
    daemon.end()
    assert daemon.processes() == []
    assert daemon.instances_on_disk() == []


def pids(instance_id: str, words: tuple[str, ...]) -> list[int]:
    """Processes of the instance whose command line holds every word."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                command = file.read().decode(errors="replace")
            with open(f"/proc/{pid}/environ", "rb") as file:
                environment = file.read().decode(errors="replace")
        except OSError:
            continue
        if instance_id in command + environment and all(word in command for word in words):
            found.append(int(pid))
    return found


@pytest.mark.timeout(120)
@pytest.mark.parametrize("victim", VICTIMS)
def test_a_job_survives_the_death_of(daemon, tmp_path, victim):
    words, survives = VICTIMS[victim]
    client = daemon.start()
    witness = tmp_path / "witness"
    body = {"task": task(JOB.format(witness=witness)), "rehearse": True, "accepted_hourly_usd": 1.0}
    job_id = client.post("/v1/jobs", body)["job_id"]

    def synced():
        events = client.get(f"/v1/events?subject=job/{job_id}")
        return len([e for e in events if e["kind"] == "checkpoint synced"]) == 2

    until("both ranks have a checkpoint", synced, daemon.log)
    (cluster,) = client.get("/v1/clusters")
    before = {i["instance_id"] for i in cluster["instances"]}
    head = next(i["instance_id"] for i in cluster["instances"] if i["rank"] == 0)
    doomed = pids(head, words)
    assert doomed, f"{victim} is not found"
    for pid in doomed:
        with contextlib.suppress(ProcessLookupError):  # its parent's death took it along
            os.kill(pid, signal.SIGKILL)
    ended = until("the job ends", lambda: (job := client.get(f"/v1/jobs/{job_id}"))["ended_unix"] and job, daemon.log)
    assert (ended["state"], ended["recoveries"], ended["attempt"]) == ("SUCCEEDED", 1, 2), ended["why"]
    output = b"".join(client.stream(f"/v1/jobs/{job_id}/logs?follow=1")).decode()
    assert output.count("begins at 0") == output.count("begins at 1") == output.count("is done") == 2
    started = witness.read_text().splitlines()
    assert len(started) == len(set(started)) == 4
    launched = [e for e in client.get(f"/v1/events?subject=job/{job_id}") if e["kind"] == "launched"]
    assert ({e["data"]["instance_id"] for e in launched} == before) == survives, "machines that live are kept"
    until("its cluster goes", lambda: client.get("/v1/clusters") == [], daemon.log)


ELASTIC = """
name: elastic
num_nodes: 2
elastic: true
resources: {{cpus: 2+, use_spot: true}}
run: |
  cd "$TRADEWIND_CHECKPOINT_DIR"
  trap 'echo told > told-$TRADEWIND_NUM_NODES.tmp; mv told-$TRADEWIND_NUM_NODES.tmp told-$TRADEWIND_NUM_NODES; exit 0' TERM
  echo "rank $TRADEWIND_NODE_RANK of $TRADEWIND_NUM_NODES knows" $(ls)
  touch {witness}/$TRADEWIND_JOB_ID-$TRADEWIND_NODE_RANK
  while [ ! -e {witness}/enough ]; do sleep 0.05; done
"""


@pytest.mark.timeout(120)
def test_an_elastic_gang_goes_on_with_one_node_and_then_with_two(daemon, tmp_path):
    client = daemon.start()
    witness = tmp_path / "witness"
    witness.mkdir()
    body = {"task": task(ELASTIC.format(witness=witness)), "rehearse": True, "accepted_hourly_usd": 1.0}
    job_id = client.post("/v1/jobs", body)["job_id"]

    def runs(attempt, nodes):
        return len([name for name in os.listdir(witness) if name.startswith(f"1-{attempt}-")]) == nodes

    until("both run", lambda: runs(1, 2), daemon.log)
    (cluster,) = client.get("/v1/clusters")
    head = next(i["instance_id"] for i in cluster["instances"] if i["rank"] == 0)
    os.kill(pids(head, ("host.py",))[0], signal.SIGKILL)
    until("one goes on", lambda: runs(2, 1), daemon.log)
    until("both go on", lambda: runs(3, 2), daemon.log)
    (witness / "enough").touch()
    ended = until("the job ends", lambda: (job := client.get(f"/v1/jobs/{job_id}"))["ended_unix"] and job, daemon.log)
    assert (ended["state"], ended["recoveries"], ended["attempt"]) == ("SUCCEEDED", 1, 3), ended["why"]
    assert [one["end"] for one in ended["attempts"]] == ["node lost", "node joined", "succeeded"]
    output = b"".join(client.stream(f"/v1/jobs/{job_id}/logs?follow=1")).decode()
    assert "rank 0 of 1 knows\n" in output, "the head's machine died without a word: nothing was saved for rank 0"
    assert "rank 0 of 2 knows told-1\n" in output, "what the smaller gang saved when it was told is there"
    assert "rank 1 of 2 knows told-2\n" in output, "and what rank 1 saved when its peer was lost"
    until("its cluster goes", lambda: client.get("/v1/clusters") == [], daemon.log)
