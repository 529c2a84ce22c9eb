"""Managed jobs through the real command line: submit, look, follow, cancel, the bill; and the daemon's own commands."""

from __future__ import annotations

import json
import pathlib
import re
import time

import pytest

from tradewind.cli import exits

from .worlds import World

pytestmark = pytest.mark.end_to_end

QUICK = "name: quick\nnum_nodes: 2\nresources:\n  cpus: 2+\n  use_spot: true\nrun: echo rank $TRADEWIND_NODE_RANK\n"
SLOW = "name: slow\nresources:\n  cpus: 2+\n  use_spot: true\nrun: echo started; sleep 300\n"


@pytest.fixture(scope="module")
def finished(world: World) -> World:
    (world.work / "quick.yaml").write_text(QUICK)
    (world.work / "slow.yaml").write_text(SLOW)
    ran = world.run("tradewind jobs launch quick.yaml --rehearse")
    assert ran.returncode == exits.OK, ran.stderr
    assert sorted(ran.stdout.splitlines()) == ["(head, rank=0) rank 0", "(worker, rank=1) rank 1"]
    assert "Rehearsed: local processes stand in" in ran.stderr
    assert ran.stderr.endswith("managed job 1: SUCCEEDED.\n")
    return world


def test_the_queue_shows_what_has_not_ended_and_all_on_request(finished: World) -> None:
    assert "No managed job is unfinished" in finished.run("tradewind jobs queue").stdout
    assert re.search(r"^ *1 +quick +SUCCEEDED +0", finished.run("tradewind jobs queue --all").stdout, re.MULTILINE)
    assert [j["name"] for j in json.loads(finished.run("tradewind jobs queue --all --json").stdout)] == ["quick"]


def test_its_output_outlives_its_instances(finished: World) -> None:
    for name in ("1", "quick"):
        ran = finished.run(f"tradewind jobs logs {name}")
        assert ran.returncode == exits.OK
        assert "(worker, rank=1) rank 1" in ran.stdout
    assert finished.run("tradewind jobs logs quick --rank 1").stdout == "rank 1\n"
    (kept,) = finished.run("tradewind jobs logs quick --rank 1 -s").stdout.splitlines()
    assert pathlib.Path(kept).read_text() == "rank 1\n"
    assert finished.run("tradewind jobs logs quick --tail 1").stdout.count("\n") == 1
    assert finished.run("tradewind jobs logs quick --rank 0 --grep rank").stdout == "rank 0\n"
    assert "there is no rank 2" in finished.run("tradewind jobs logs quick --rank 2").stderr
    assert finished.run("tradewind jobs logs quick --tail 1 --grep x").returncode == exits.BAD_INPUT


def test_its_status_has_the_bill(finished: World) -> None:
    ran = finished.run("tradewind jobs status quick --json")
    assert ran.returncode == exits.OK, ran.stderr
    bill = json.loads(ran.stdout)["bill"]
    assert len(bill["instances"]) == 2
    assert bill["spent_usd"] == pytest.approx(sum(i["usd"] for i in bill["instances"]))
    page = finished.run("tradewind jobs status 1").stdout
    assert "rehearsed, so nothing was paid" in page
    assert "on demand" in page


def test_a_detached_job_is_found_and_cancelled(finished: World) -> None:
    ran = finished.run("tradewind jobs launch slow.yaml --rehearse -d")
    assert (ran.returncode, ran.stdout) == (
        exits.OK,
        "managed job 2: accepted; follow it with `tradewind jobs logs 2`.\n",
    )
    assert "2" in finished.run("tradewind jobs queue").stdout
    assert finished.run("tradewind jobs cancel slow").returncode == exits.BAD_INPUT, "nobody there to confirm"
    assert finished.run("tradewind jobs cancel -n slow -y").returncode == exits.OK
    deadline = time.monotonic() + 30
    while (state := json.loads(finished.run("tradewind jobs status 2 --json").stdout)["state"]) != "CANCELLED":
        assert time.monotonic() < deadline, state
    assert finished.run("tradewind jobs logs 2").returncode == exits.FAILED
    again = finished.run("tradewind jobs cancel 2 -y")
    assert again.returncode == exits.FAILED
    assert "CANCELLED already" in again.stderr


def test_what_is_not_there(finished: World) -> None:
    for line in ("jobs logs 77", "jobs status nobody", "jobs cancel 77 -y"):
        ran = finished.run(f"tradewind {line}")
        assert ran.returncode == exits.FAILED, line
        assert "there is no managed job" in ran.stderr


def test_a_seed_needs_a_rehearsal(finished: World) -> None:
    ran = finished.run("tradewind jobs launch quick.yaml --seed 3 -y")
    assert ran.returncode == exits.BAD_INPUT
    assert "--rehearse" in ran.stderr


def test_the_record_outlives_the_daemon(finished: World) -> None:
    assert finished.run("tradewind api status").stdout.startswith("up for ")
    assert finished.run("tradewind api stop").stdout == "the daemon is stopped.\n"
    assert finished.run("tradewind api stop").stdout == "no daemon is running.\n"
    assert finished.run("tradewind api status --json").returncode == exits.UNREACHABLE
    assert "SUCCEEDED" in finished.run("tradewind jobs queue --all").stdout, "a new daemon reads the same record"


def test_why_says_how_it_ended(finished: World) -> None:
    ran = finished.run("tradewind why quick")
    assert ran.returncode == exits.OK
    assert ran.stdout.startswith("quick is SUCCEEDED.\n")
    assert json.loads(finished.run("tradewind why 1 --json").stdout)["state"] == "SUCCEEDED"
    assert finished.run("tradewind why nobody").returncode == exits.FAILED
