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
        ("--quota aws/eu-north-1=0", "p4d"),
        ("--quota 'aws=4 accelerators'", "h3"),
        ("--quota 'aws=64 vcpus' --exclude aws/eu-*", "h3"),
        ("--share aws=50% --time-limit 30", "h3"),
        ("--max-carbon 1 --exclude aws/us-*", "p3"),
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
        ("--reserved aws=x", "reservation"),
        ("--reserved aws", "PATTERN=N"),
        ("--quota aws=many", "no quota"),
        ("--quota nowhere=4", "no cloud here"),
        ("--share aws=150%", "no share"),
        ("--time-limit 0", "--time-limit"),
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


def test_the_task_file_may_say_it_all_and_a_flag_wins(asked: World) -> None:
    (asked.work / "says.yaml").write_text(
        "name: says\nrun: echo\nresources:\n  use_spot: true\n  accelerators: {A100: 8, V100: 8, H100: 8}\n"
        "estimates: {'A100:8': 10h}\nplacement: {exclude: [aws/eu-*], minimize: time}\n"
    )

    def told(file: str, flags: str) -> tuple[str, float]:
        ran = asked.run(f"tradewind plan {file} --catalog gpus.csv --json {flags}")
        assert ran.returncode == exits.OK, ran.stderr
        (placement,) = json.loads(ran.stdout)["placements"]
        return placement["instance_type"], round(placement["hours"], 2)

    assert told("says.yaml", "") == ("h3", 3.15)
    assert told("says.yaml", "--minimize cost") == ("p4d", 10.0)
    assert told("says.yaml", "--minimize cost --estimate A100:8=4") == ("p4d", 4.0)
    for extra, chosen in (
        ("placement: {continents: [North America]}\n", "p4d"),
        ("placement: {countries: [NL]}\n", "h3"),
        ("placement: {quotas: {aws/eu-north-1: 4 accelerators}}\n", "p4d"),
        ("placement: {shares: {aws: 0}}\n", "h3"),
        ("inputs: {gcp/europe-west4: 900}\n", "h3"),  # moving it to AWS costs 100 USD and more
    ):
        (asked.work / "more.yaml").write_text((asked.work / "g.yaml").read_text() + extra)
        assert told("more.yaml", "")[0] == chosen, extra
    (asked.work / "paid.yaml").write_text(
        "name: g\nrun: echo\nnum_nodes: 2\nresources: {accelerators: {A100: 8, V100: 8, H100: 8}}\n"
        "placement: {reserved: {aws/us-east-1/*/p4d: 1}}\n"
    )
    paid = asked.run("tradewind plan paid.yaml --catalog gpus.csv")
    assert "1 of the nodes are paid already" not in paid.stdout  # two V100 machines cost 18, one more A100 machine 20
    (asked.work / "paid.yaml").write_text((asked.work / "paid.yaml").read_text().replace("p4d: 1", "p4d: 2"))
    assert "2 of the nodes are paid already" in asked.run("tradewind plan paid.yaml --catalog gpus.csv").stdout


def test_the_file_says_how_the_program_lives_through_interruptions(asked: World) -> None:
    def told(extra: str) -> dict:
        (asked.work / "lives.yaml").write_text((asked.work / "g.yaml").read_text() + extra)
        ran = asked.run("tradewind plan lives.yaml --catalog gpus.csv --json --hours 100")
        assert ran.returncode == exits.OK, ran.stderr
        return json.loads(ran.stdout)["placements"][0]["expected"]

    assert told("") is None
    best = told("placement: {interruptions: true}\n")
    hourly = told("placement: {interruptions: {every: 1h, checkpoint: 6m, restart: 1h, wait: 30s}}\n")
    assert hourly["checkpoint_interval_h"] == 1.0
    assert hourly["billed_h"] > 100 + 99 * 0.1 > best["billed_h"] > 100
    never = told("placement: {interruptions: {every: never}}\n")
    assert never["checkpoint_interval_h"] == 100


def test_a_limit_without_a_meaning_in_the_file_is_said_in_a_sentence(asked: World) -> None:
    for extra, words in (
        ("placement: {exclude: [nowhere]}", "placement.exclude: 'nowhere' is no cloud here"),
        ("placement: {countries: [XX]}", "placement.countries: no region is in 'XX'"),
        ("placement: {minimize: price}", "placement.minimize: 'price' is nothing to minimise"),
        ("placement: {quotas: {aws: many}}", "placement.quotas.aws: 'many' is no quota"),
        ("placement: {shares: {aws: 2}}", "placement.shares.aws: '2' is no share"),
        ("placement: {exlude: [aws]}", "did you mean 'exclude'?"),
        ("placement: {interruptions: {every: soon}}", "placement.interruptions.every: 'soon' is no length of time"),
        ("placement: {interruptions: {every: 0}}", "placement.interruptions.every: is 0"),
        ("estimates: {'A100:8': soon}", "no length of time"),
        ("estimates: {A1000: 3h}", "did you mean 'A100'?"),
        ("inputs: {'s3://bucket': 10}", "is no region of the catalog"),
    ):
        (asked.work / "bad.yaml").write_text((asked.work / "g.yaml").read_text() + extra + "\n")
        ran = asked.run("tradewind plan bad.yaml --catalog gpus.csv")
        assert ran.returncode == exits.BAD_INPUT, (extra, ran.stdout, ran.stderr)
        assert words in ran.stderr, ran.stderr
        assert "Traceback" not in ran.stderr


def test_limits_yaml_stands_for_every_plan(asked: World) -> None:
    home = asked.work / "limited"
    home.mkdir()
    (home / "limits.yaml").write_text(
        "placement: {exclude: [aws/eu-*, nowhere], continents: [North America, Europe]}\n"
    )

    def told(flags: str):
        return asked.run(f"TRADEWIND_DATA_DIR={home} tradewind plan g.yaml --catalog gpus.csv --json {flags}")

    assert json.loads(told("").stdout)["placements"][0]["instance_type"] == "p4d"
    assert json.loads(told("--continent europe").stdout)["placements"][0]["instance_type"] == "h3"
    outside = told("--continent Asia")
    assert outside.returncode == exits.BAD_INPUT
    (home / "limits.yaml").write_text("placement: {exlude: []}\n")
    broken = told("")
    assert broken.returncode == exits.BAD_INPUT
    assert "limits.yaml" in broken.stderr


def test_a_file_of_several_tasks_is_one_plan(asked: World) -> None:
    (asked.work / "chain.yaml").write_text(
        "name: load\nrun: x\nresources: {cpus: 2+}\noutputs: {data: 500}\n---\n"
        "name: fit\nrun: x\nresources: {accelerators: 'V100:8', use_spot: true}\n"
    )
    (asked.work / "group.yaml").write_text(
        "name: gang\nexecution: parallel\n---\nname: server\nrun: x\nresources: {instance_type: p4d}\n---\n"
        "name: workers\nnum_nodes: 8\nrun: x\nresources: {accelerators: {A100: 8, V100: 8}, use_spot: true}\n"
    )
    rows = [
        "aws,c,x86_64,4,16,,,,us-east-1,,0.10,0.05",
        "aws,c,x86_64,4,16,,,,eu-north-1,,0.12,0.05",
        "aws,p3,x86_64,64,488,V100,8,16,eu-north-1,,9,2",
        "aws,p4d,x86_64,96,1152,A100,8,40,us-east-1,,20,4",
    ]
    (asked.work / "both.csv").write_text(HEADER + "\n".join(rows) + "\n")

    def told(files: str) -> dict:
        ran = asked.run(f"tradewind plan {files} --catalog both.csv --json")
        assert ran.returncode == exits.OK, ran.stderr
        return json.loads(ran.stdout)

    chain = told("chain.yaml")
    assert {p["task"]: p["region"] for p in chain["placements"]} == {"load": "eu-north-1", "fit": "eu-north-1"}
    assert [(t["gigabytes"], t["usd"]) for t in chain["transfers"]] == [(500, 0)]
    gang = told("group.yaml")
    assert {p["region"] for p in gang["placements"]} == {"us-east-1"}
    assert {p["task"]: p["num_nodes"] for p in gang["placements"]} == {"server": 1, "workers": 8}
    apart = told("chain.yaml group.yaml")
    assert len(apart["placements"]) == 4
    page = asked.run("tradewind plan chain.yaml --catalog both.csv --explain")
    assert "Together" in page.stdout
    assert "moving data: 0" in page.stdout
    twice = asked.run("tradewind plan g.yaml g.yaml --catalog gpus.csv")
    assert twice.returncode == exits.BAD_INPUT
    assert "two tasks are called 'g'" in twice.stderr


def test_a_deadline_on_spot_says_when_on_demand_is_bought(asked: World) -> None:
    (asked.work / "due.yaml").write_text((asked.work / "g.yaml").read_text() + "deadline: 20h\n")
    ran = asked.run("tradewind plan due.yaml --catalog gpus.csv --hours 10 --json")
    (course,) = json.loads(ran.stdout)["deadlines"]
    assert (course["first"]["instance_type"], course["first"]["use_spot"]) == ("p3", True)
    assert course["to"]["use_spot"] is False
    assert 9 < course["on_demand_by_h"] < 10
    assert course["least_usd"] == 20
    assert 90 < course["most_usd"] < 130
    page = asked.run("tradewind plan due.yaml --catalog gpus.csv --hours 10").stdout
    assert "to end within 20 h" in page
