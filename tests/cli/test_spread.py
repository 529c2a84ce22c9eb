"""A gang that may not stand in one zone stands where its plan says, node by node; rehearsed through the real command line."""

from __future__ import annotations

import json
import re

import pytest

from tradewind.cli import exits

from .worlds import World

pytestmark = pytest.mark.end_to_end


def test_each_node_is_bought_in_its_own_zone(world: World) -> None:
    (world.work / "spread.yaml").write_text(
        "name: spread\nnum_nodes: 3\nresources: {cpus: 2+, use_spot: true}\nplacement: {max_nodes_per_zone: 1}\nrun: 'true'\n"
    )
    planned = json.loads(world.run("tradewind plan spread.yaml --json").stdout)
    zones = {share["zone"] for share in planned["placements"][0]["spread"]}
    assert len(zones) == 3
    launched = world.run("tradewind launch --rehearse -y -c apart spread.yaml", timeout=90)
    assert launched.returncode == exits.OK, launched.stderr
    told = world.run("tradewind events apart").stdout
    assert set(re.findall(r"launched\s+node \d at \w+/(\S+)", told)) == zones
    assert world.run("tradewind down apart -y").returncode == exits.OK
