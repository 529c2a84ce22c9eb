from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.broker.clouds.azure import naming

TEXT = st.text(max_size=120)


@given(cluster=TEXT, owner=TEXT, region=st.sampled_from(["eastus", "southcentralus", "germanywestcentral"]))
def test_group_names_are_legal(cluster, owner, region) -> None:
    name = naming.group_name(cluster, {"owner": owner}, region)
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{0,88}[a-z0-9]", name)
    assert name.startswith(naming.PREFIX)
    assert name != naming.group_name(cluster, {"owner": owner + "x"}, region)


@given(one=TEXT, other=TEXT)
def test_machine_names_are_legal_host_names_and_distinct(one, other) -> None:
    name = naming.machine_name(one)
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name)
    assert (name == naming.machine_name(other)) == (one == other)


@pytest.mark.parametrize(("zone", "number"), [("", ""), ("2", "2"), ("eastus-3", "3")])
def test_zones_are_numbers(zone, number) -> None:
    assert naming.zone_number(zone) == number


def test_a_group_is_found_in_any_id() -> None:
    assert naming.group_of("/subscriptions/s/resourcegroups/G/providers/x") == "G"
    assert naming.group_of("/subscriptions/s") == ""
