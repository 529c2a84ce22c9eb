"""Several tasks in one file through the real command line: planned as one, started in order, listed as one."""

from __future__ import annotations

import json

import pytest

from tradewind.cli import exits

from .worlds import World

pytestmark = pytest.mark.end_to_end

DIAMOND = """name: night
---
name: fetch
resources: {{infra: local}}
run: echo fetch >> {out}
---
name: left
resources: {{infra: local}}
depends_on: fetch
run: test -s {out}
---
name: right
resources: {{infra: local}}
depends_on: [fetch]
run: grep -q fetch {out}{breaks}
---
name: join
resources: {{infra: local}}
depends_on: [left, right]
run: echo join >> {out}
"""


@pytest.fixture(scope="module")
def files(world: World) -> World:
    out = world.work / "out"
    (world.work / "night.yaml").write_text(DIAMOND.format(out=out, breaks=""))
    (world.work / "broken.yaml").write_text(DIAMOND.format(out=out, breaks="; exit 7"))
    return world


def test_a_graph_runs_in_order_and_is_one_object(files: World) -> None:
    ran = files.run("tradewind jobs launch night.yaml --max-active 2 -y", timeout=90)
    assert ran.returncode == exits.OK, ran.stderr
    assert "graph a1: 4 jobs accepted; `tradewind jobs status a1` shows them." in ran.stdout
    assert ran.stderr.rstrip().endswith("a1: 4 SUCCEEDED")
    assert (files.work / "out").read_text() == "fetch\njoin\n"
    queue = files.run("tradewind jobs queue --all").stdout
    assert "4/4  4 SUCCEEDED" in queue
    assert "night-fetch" not in queue
    view = json.loads(files.run("tradewind jobs status a1 --json").stdout)
    assert [job["name"] for job in view["jobs"]] == ["night-fetch", "night-left", "night-right", "night-join"]
    order = {job["name"]: (job["started_unix"], job["ended_unix"]) for job in view["jobs"]}
    assert order["night-fetch"][1] <= min(order["night-left"][0], order["night-right"][0])
    assert max(order["night-left"][1], order["night-right"][1]) <= order["night-join"][0]


def test_a_failure_cancels_what_waits_for_it_and_says_so(files: World) -> None:
    ran = files.run("tradewind jobs launch broken.yaml -y", timeout=90)
    assert ran.returncode == exits.FAILED
    assert "night-right: FAILED: run on rank 0 exited with code 7" in ran.stderr
    assert "(night-right), which it waits for, is FAILED" in ran.stderr
    assert "a2: 1 CANCELLED, 1 FAILED, 2 SUCCEEDED" in ran.stderr


def test_a_plan_of_all_is_shown_first_and_flags_for_one_task_are_refused(files: World) -> None:
    shown = files.run("tradewind jobs launch night.yaml --dryrun")
    assert (shown.returncode, shown.stdout) == (exits.OK, "")
    assert shown.stderr.count("1 x ") == 4
    for flag, why in (
        ("--cpus 4", "the file holds 4 tasks, and flags change one task only"),
        ("--array x=1,2", "--array is for one task"),
    ):
        refused = files.run(f"tradewind jobs launch night.yaml {flag} --dryrun")
        assert (refused.returncode, why in refused.stderr) == (exits.BAD_INPUT, True), refused.stderr
    alone = files.run("tradewind launch night.yaml --dryrun")
    assert "`tradewind jobs launch` runs them all" in alone.stderr
    single = files.work / "single.yaml"
    single.write_text("depends_on: other\nrun: x\n")
    refused = files.run("tradewind jobs launch single.yaml --rehearse")
    assert "depends_on: other must stand in the same file" in refused.stderr
