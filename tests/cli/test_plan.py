"""`plan` and `offers` through the real command line, over the shipped catalog and over a person's own."""

from __future__ import annotations

import json

import pytest

from tradewind.cli import exits

from .worlds import World

HEADER = (
    "cloud,instance_type,arch,vcpus,memory_gib,accelerator,accelerator_count,accelerator_memory_gib,region,zone,"
    "price_ondemand_usd_h,price_spot_usd_h\n"
)


@pytest.fixture(scope="module")
def own(world: World) -> World:
    rows = [
        "aws,m6a.large,x86_64,2,8,,0,,us-east-1,,0.10,0.04",
        "gcp,n2d-standard-2,x86_64,2,8,,0,,us-west4,us-west4-a,0.09,0.05",
        "gcp,a2-highgpu-1g,x86_64,12,85,A100,1,40,us-west4,us-west4-a,3.50,1.20",
    ]
    (world.work / "own.csv").write_text(HEADER + "\n".join(rows) + "\n")
    (world.work / "t.yaml").write_text("name: t\nresources:\n  cpus: 2\n  memory: 4+\nrun: echo\n")
    return world


def test_plan_as_json_holds_what_programs_need(own: World) -> None:
    ran = own.run("tradewind plan t.yaml --json --num-nodes 3 --hours 2 --catalog own.csv")
    assert ran.returncode == exits.OK, ran.stderr
    plan = json.loads(ran.stdout)
    assert plan["feasible"] is True
    assert plan["hourly_usd"] == pytest.approx(0.27)
    (placement,) = plan["placements"]
    wanted = {"task", "cloud", "region", "zone", "instance_type", "use_spot", "num_nodes", "hourly_usd"}
    assert wanted <= set(placement)
    assert (placement["task"], placement["instance_type"], placement["num_nodes"]) == ("t", "n2d-standard-2", 3)
    assert {"objective", "bound", "gap", "seconds"} <= set(plan["certificate"])
    assert plan["certificate"]["gap"] == 0
    assert plan["offers_considered"] >= 2
    assert {c["cloud"] for c in plan["candidates"]} == {"aws", "gcp"}
    assert plan["defaults_applied"]


def test_without_a_file_the_flags_say_what_is_asked(own: World) -> None:
    ran = own.run("tradewind plan --gpus A100 --catalog own.csv --json")
    assert ran.returncode == exits.OK, ran.stderr
    assert json.loads(ran.stdout)["placements"][0]["instance_type"] == "a2-highgpu-1g"
    nothing = own.run("tradewind plan")
    assert nothing.returncode == exits.BAD_INPUT
    assert "name a task file, or say what a machine must have" in nothing.stderr


def test_spot_is_ranked_by_its_own_price(own: World) -> None:
    ran = own.run("tradewind plan t.yaml --use-spot --catalog own.csv")
    assert ran.stdout.startswith("t: m6a.large at aws/us-east-1, 1 node, spot\n"), ran.stdout


def test_the_whole_catalog_plans_at_once(own: World) -> None:
    ran = own.run("tradewind plan examples/digits/train.yaml")
    assert ran.returncode == exits.OK, ran.stderr
    assert "proven cheapest" in ran.stdout
    assert "tradewind:" not in ran.stderr


def test_explain_lists_the_failover(own: World) -> None:
    ran = own.run("tradewind plan t.yaml --explain --catalog own.csv")
    assert "In the order of failover" in ran.stdout


def test_offers_cheapest_first(own: World) -> None:
    ran = own.run("tradewind offers --cpus 2+ --catalog own.csv")
    assert [line.split()[2] for line in ran.stdout.splitlines()] == [
        "TYPE",
        "n2d-standard-2",
        "m6a.large",
        "a2-highgpu-1g",
    ]
    rows = json.loads(own.run("tradewind offers --spot --catalog own.csv --json --limit 1").stdout)
    assert [row["instance_type"] for row in rows] == ["m6a.large"]
    assert own.run("tradewind offers --gpu a100 --catalog own.csv").stdout.count("\n") == 2
    assert own.run("tradewind offers --gpu A100:2 --catalog own.csv").returncode == exits.NO_PLAN


def test_gpus_are_listed_with_their_cheapest(own: World) -> None:
    for command in ("gpus", "gpus list", "accelerators"):
        shown = json.loads(own.run(f"tradewind {command} a100 --catalog own.csv --json").stdout)
        assert shown["facts"]["tflops_bf16"] == 312
        (way,) = shown["offers"]
        assert (way["count"], way["ondemand"]["price_ondemand_usd_h"], way["spot"]["price_spot_usd_h"]) == (1, 3.5, 1.2)
    everything = own.run("tradewind gpus")
    assert everything.returncode == exits.OK, everything.stderr
    assert "H100" in everything.stdout
    assert own.run("tradewind gpus H1OO").returncode == exits.BAD_INPUT


def test_catalog_says_what_it_holds_and_sets_aside(own: World) -> None:
    shown = own.run("tradewind catalog info")
    assert shown.returncode == exits.OK, shown.stderr
    assert "azure" in shown.stdout
    found = json.loads(own.run("tradewind catalog doctor --json").stdout)
    assert len(found["set_aside"]) == 30
    assert all(row["reason"] for row in found["set_aside"])


def test_nothing_of_this_needs_a_daemon(own: World) -> None:
    assert own.run("tradewind api status").returncode == exits.UNREACHABLE
    assert not own.data_dir.exists()


def test_a_reader_that_leaves_is_no_error(own: World) -> None:
    ran = own.run("set -o pipefail; tradewind offers --limit 5000 --json | head -1")
    assert (ran.returncode, ran.stdout) == (exits.OK, "[\n")
    assert "tradewind:" not in ran.stderr
    assert "BrokenPipe" not in ran.stderr
