"""What `plan` may be asked: places, aims, deadlines, budgets, estimates, fronts; through the real command line."""

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
def asked(world: World) -> World:
    rows = [
        "aws,p4d,x86_64,96,1152,A100,8,40,us-east-1,,20,4",
        "aws,p3,x86_64,64,488,V100,8,16,eu-north-1,,9,2",
        "gcp,h3,x86_64,208,1872,H100,8,80,europe-west4,europe-west4-a,90,22",
    ]
    (world.work / "gpus.csv").write_text(HEADER + "\n".join(rows) + "\n")
    (world.work / "g.yaml").write_text(
        "name: g\nresources:\n  use_spot: true\n  accelerators: {A100: 8, V100: 8, H100: 8}\nrun: echo\n"
    )
    return world


def planned(world: World, flags: str) -> dict:
    ran = world.run(f"tradewind plan g.yaml --catalog gpus.csv --json {flags}")
    assert ran.returncode == exits.OK, ran.stderr
    return json.loads(ran.stdout)


@pytest.mark.parametrize(
    ("flags", "chosen"),
    [
        ("", "p3"),
        ("--exclude aws/eu-*", "p4d"),
        ("--exclude aws", "h3"),
        ("--exclude '*/*/*/p*'", "h3"),
        ("--estimate V100:8=25", "p4d"),  # 10.0 h x 4 is less than 25 h x 2
        ("--estimate A100:8=10 --deadline 4h", "h3"),
        ("--estimate A100:8=10 --deadline 2d --exclude aws/us-east-1", "p3"),
        ("--estimate A100:8=10 --minimize time", "h3"),
        ("--estimate A100:8=10 --minimize cost+100*time", "h3"),
        ("--continent Europe", "p3"),
        ("--country us", "p4d"),
        ("--minimize carbon", "p3"),
        ("--no-use-spot --reserved aws/us-east-1/*/p4d=1", "p4d"),
    ],
)
def test_the_plan_follows_what_is_asked(asked: World, flags: str, chosen: str) -> None:
    assert planned(asked, flags)["placements"][0]["instance_type"] == chosen


def test_a_front_on_the_terminal_as_json_and_as_pictures(asked: World) -> None:
    shown = asked.run(
        "tradewind plan g.yaml --catalog gpus.csv --estimate A100:8=10 --pareto time,cost --svg f.svg --png f.png"
    )
    assert shown.returncode == exits.OK, shown.stderr
    assert shown.stdout.startswith("cost against time: 2 plans that nothing beats in both")
    assert (asked.work / "f.svg").read_text().startswith("<svg")
    assert (asked.work / "f.png").read_bytes().startswith(b"\x89PNG")
    found = planned(asked, "--estimate A100:8=10 --pareto cost,time")
    assert [p["plan"]["placements"][0]["instance_type"] for p in found["points"]] == ["p4d", "h3"]
    assert [round(p["time"], 2) for p in found["points"]] == [10.0, 3.15]


def test_the_reasons_as_a_page_and_as_json(asked: World) -> None:
    found = planned(asked, "--explain --interruptions --hours 10 --budget 50")
    assert found["explanation"]["parts"][0]["overhead_usd"] > 0
    assert found["explanation"]["margins"][0]["next_best"]["instance_type"] == "p4d"
    assert found["feasible"]
    page = asked.run("tradewind plan g.yaml --catalog gpus.csv --explain --interruptions --hours 10").stdout
    assert "USD for the work itself" in page
    assert "stays the choice until its price rises" in page


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--minimize price", "nothing to minimise"),
        ("--exclude nowhere", "no cloud here"),
        ("--exclude '*'", "everywhere"),
        ("--exclude a/b/c/d/e", "no place"),
        ("--deadline soon", "no length of time"),
        ("--estimate A100", "no estimate"),
        ("--country XX", "no region is in"),
        ("--continent Atlantis", "no region is in"),
        ("--reserved aws=x", "no reservation"),
        ("--pareto cost", "not two measures"),
        ("--svg f.svg", "--pareto"),
        ("--budget -1", "--budget"),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_sentence(asked: World, flags: str, words: str) -> None:
    ran = asked.run(f"tradewind plan g.yaml --catalog gpus.csv {flags}")
    assert ran.returncode == exits.BAD_INPUT, ran.stdout
    assert words in ran.stderr
    assert "Traceback" not in ran.stderr


def test_no_plan_has_its_own_exit_code(asked: World) -> None:
    for flags in ("--budget 0.1", "--exclude aws --exclude gcp", "--budget 0.1 --pareto cost,time"):
        ran = asked.run(f"tradewind plan g.yaml --catalog gpus.csv {flags}")
        assert ran.returncode == exits.NO_PLAN, ran.stderr
        assert ran.stdout.startswith("No plan.")
