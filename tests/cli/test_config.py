"""`tradewind config`: what is set there the daemon keeps to, whoever asks."""

from __future__ import annotations

import json

import pytest

from tradewind.cli import exits

from .worlds import World

pytestmark = pytest.mark.end_to_end


def test_a_cap_is_kept_by_the_daemon(world: World) -> None:
    assert json.loads(world.run("tradewind config --json").stdout)["max_hourly_cost"] is None
    ran = world.run("tradewind config set max_hourly_cost '0.001 USD'")
    assert ran.returncode == exits.OK, ran.stderr
    assert "0.001" in ran.stdout
    (world.work / "two.yaml").write_text("resources: {cpus: 2+, use_spot: true}\nrun: echo ran\n")
    for command in ("launch -c a", "jobs launch"):
        refused = world.run(f"tradewind {command} two.yaml --rehearse")
        assert refused.returncode == exits.FAILED, refused.stdout
        assert "limits.yaml allows 0.001 USD/h for everything together" in refused.stderr
    assert json.loads(world.run("tradewind status --json").stdout)["clusters"] == []
    world.run("tradewind config set max_hourly_cost 0.1")
    ran = world.run("tradewind launch two.yaml -c a --rehearse")
    assert ran.stdout == "ran\n", ran.stderr
    refused = world.run("tradewind launch --cpus 64+ two.yaml -c b --rehearse")
    assert "that run, and limits.yaml allows 0.1 USD/h" in refused.stderr
    assert world.run("tradewind config unset max_hourly_cost").returncode == exits.OK
    assert json.loads(world.run("tradewind config --json").stdout)["max_hourly_cost"] is None


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("set budget lots", "'lots' is no number"),
        ("set budget 0", "budget must be a number above 0"),
        ("set bugdet 1", "'bugdet'"),
        ("sett", "set"),
    ],
)
def test_what_is_no_setting_changes_nothing(world: World, line: str, says: str) -> None:
    before = world.run("tradewind config --json").stdout
    ran = world.run(f"tradewind config {line}")
    assert ran.returncode == exits.BAD_INPUT
    assert says in ran.stderr
    assert world.run("tradewind config --json").stdout == before
