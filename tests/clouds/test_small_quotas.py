"""Quotas of the accounts, asked before anything is bought: a gang goes where it fits, and the plan says which quota was in the way."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from clouds.estate import Estate, open_estate
from clouds.shell import Shell
from tests.broker.nursery import Nursery
from tests.broker.real import task, until

GANG = "name: gang\nnum_nodes: 2\nresources: {use_spot: true}\nrun: echo hi\n"


@pytest.fixture
def estate(tmp_path: pathlib.Path, nursery: Nursery) -> Iterator[Estate]:
    with open_estate(tmp_path, None, nursery) as estate:
        estate.aws.account.vcpu_quotas["m/spot"] = 3.0  # a node has 2
        estate.gcp.cloud.compute.region_quotas["N2_CPUS"] = 15.0  # and 8 at the other two
        yield estate


def test_a_gang_goes_where_it_fits_and_the_quotas_are_named(estate: Estate, tmp_path: pathlib.Path) -> None:
    (tmp_path / "task.yaml").write_text(GANG)
    client = estate.start()
    plan = client.post("/v1/plan", {"task": task(GANG), "catalog": estate.catalog})
    assert plan["placements"][0]["cloud"] == "azure"
    said = {one["cloud"]: one["reason"] for one in plan["references"] if "quota" in one["reason"]}
    assert said["gcp"].startswith("over the quota of 1 nodes at gcp/us-central1/*/n2-standard-8 (spot)")
    code, page = Shell(estate, tmp_path).starts("launch", "task.yaml", "--catalog", estate.catalog, "-y", "-d").ends()
    assert code == 0, page
    assert "over the quota of 1 nodes at aws/us-east-1/*/c5.large (spot)" in page
    until("it is bought at Azure", lambda: estate.azure.live() == 2, estate.daemon.log)
    assert "ec2:RunInstances" not in estate.aws.calls()
    assert "compute.instances.insert" not in estate.gcp.calls()
    client.post("/v1/clusters/gang/down")


def test_a_person_sees_which_quotas_leave_no_place(estate: Estate, tmp_path: pathlib.Path) -> None:
    estate.azure.cloud.arm.quotas["lowPriorityCores"] = 8
    (tmp_path / "task.yaml").write_text(GANG)
    estate.start()
    said = Shell(estate, tmp_path).types("launch", "task.yaml", "--catalog", estate.catalog, "-y", exit_code=3)
    assert "the quota of 1 nodes at azure/eastus/*/Standard_D8s_v5 (spot)" in said
    assert estate.live() == 0
