"""The page about this computer: every line runs as printed, and machines are what it says, without root too."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.broker.clouds.yards import HERE, left_of, needs_login, needs_namespaces
from tests.cli.test_docs import lines_of
from tradewind.broker.clouds.local.entry import Settings
from tradewind.broker.clouds.local.machines import Yard
from tradewind.cli import exits

from .worlds import ROOT, World

pytestmark = pytest.mark.end_to_end


@pytest.fixture(scope="module", autouse=True)
def no_machine_outlives_a_failure(world: World) -> Iterator[None]:
    yield
    world.run("tradewind down --all -y; tradewind local down --force", timeout=60)


def ok(world: World, line: str) -> str:
    ran = world.run(line, timeout=90)
    assert ran.returncode == exits.OK, f"{line}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout + ran.stderr


def nothing_left(world: World) -> None:
    assert left_of(Yard(str(world.data_dir))) == []


@needs_login
def test_every_line_runs_as_printed(world: World) -> None:
    said = {line: ok(world, line) for line in lines_of("docs/clouds/local.md")}
    assert len(said) == 9
    ranks = re.findall(r"rank (\d) is at (\S+)", "".join(said.values()))
    assert sorted(rank for rank, _ in ranks) == ["0", "1", "2"]
    names = dict(ranks)
    if not HERE.no_namespaces:
        assert sorted(names.values()) == ["machine-1", "machine-2", "machine-3"]
    assert said["tradewind ssh trio hostname"].split() == [names["0"]]
    assert said["tradewind ssh --node 2 trio hostname"].split() == [names["2"]]
    nothing_left(world)


def test_the_settings_are_read() -> None:
    page = (ROOT / "docs/clouds/local.md").read_text()
    assert "  isolation: auto\n" in page
    assert set(Settings.__annotations__) == {"isolation"}


@pytest.mark.parametrize("way", [pytest.param("namespaces", marks=needs_namespaces), "processes"])
def test_a_machine_takes_one_node_and_is_not_ended_under_it(world: World, way: str) -> None:
    said = ok(world, f"tradewind local up 1 --isolation {way} --memory 5")
    assert f"  {way}  " in said
    assert ("not held apart" in said) == (bool(HERE.no_namespaces) and way == "processes")
    ok(world, "tradewind launch --infra local -c one -y 'echo up'")
    (machine,) = json.loads(ok(world, "tradewind local status --json"))
    assert (machine["cluster"], machine["memory_gib"], machine["state"]) == ("one", 5.0, "up")
    full = world.run("tradewind launch --infra local -c two 'echo up'")
    assert "all 1 machines on this computer are taken (machine-1 has one)" in full.stdout + full.stderr
    held = world.run("tradewind local down")
    assert held.returncode == exits.FAILED
    assert "one is on machine-1; `tradewind down one` first" in held.stderr
    assert world.run("tradewind launch --infra local --memory 6+ -c big 'echo up'").returncode == exits.NO_PLAN
    ok(world, "tradewind down one two -y")
    assert "machine-1: gone." in ok(world, "tradewind local down machine-1")
    nothing_left(world)


@needs_namespaces
def test_ending_a_machine_by_force_is_a_loss_that_is_noticed(world: World) -> None:
    ok(world, "tradewind local up 1")
    ok(world, "tradewind launch --infra local -c gone -d -y 'sleep 600'")
    ok(world, "tradewind local down --force")
    seen = world.run("tradewind logs gone", timeout=60)
    assert seen.returncode != exits.OK
    assert "LOST" in seen.stdout + seen.stderr
    ok(world, "tradewind down gone -y")
    nothing_left(world)


@needs_namespaces
def test_every_instance_may_have_a_machine_of_its_own(world: World) -> None:
    world.data_dir.mkdir(mode=0o700, exist_ok=True)
    (world.data_dir / "clouds.yaml").write_text("local: {isolation: namespaces}\n")
    try:
        said = ok(world, "tradewind launch --infra local -c own -y 'echo rank 0 is at $(hostname)'")
        assert "rank 0 is at of-own-" in said
        assert ok(world, "tradewind ssh own hostname").startswith("of-own-")
        ok(world, "tradewind down own -y")
    finally:
        (world.data_dir / "clouds.yaml").unlink()
    nothing_left(world)


def test_settings_that_cannot_be_read_are_named(world: World) -> None:
    world.data_dir.mkdir(mode=0o700, exist_ok=True)
    (world.data_dir / "clouds.yaml").write_text("local: {isolation: castle}\n")
    try:
        refused = world.run("tradewind local up 1")
    finally:
        (world.data_dir / "clouds.yaml").unlink()
    assert refused.returncode == exits.FAILED
    assert "clouds.yaml: local: Invalid enum value 'castle'" in refused.stderr
