"""Disks, images and accelerators by memory narrow a plan to what can give them, and say so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tradewind.broker.planner import PlanError, plan_task
from tradewind.catalog import Catalog, open_catalog
from tradewind.spec import parse_task


@pytest.fixture(scope="module")
def catalog() -> Iterator[Catalog]:
    with open_catalog() as opened:
        yield opened


def placed(catalog: Catalog, resources: str) -> set[tuple[str, str, str]]:
    """Cloud, region and accelerator of everything that failover would try."""
    plan = plan_task(parse_task(f"resources: {resources}\n", "t.yaml", "/"), catalog)
    return {(one.cloud, one.region, one.offer.accelerator) for one in plan.candidates}


def test_a_disk_of_ones_own_needs_a_cloud_that_makes_the_machine(catalog: Catalog) -> None:
    assert {cloud for cloud, _, _ in placed(catalog, "{disk_size: 500, gpus: H100:8}")} <= {"aws", "azure", "gcp"}
    assert {cloud for cloud, _, _ in placed(catalog, "{disk_tier: ultra}")} == {"aws"}


def test_an_image_is_of_its_regions(catalog: Catalog) -> None:
    images = "{us-east-1: ami-1, eu-west-1: ami-2}"
    assert {where for _, where, _ in placed(catalog, f"{{infra: aws, image_id: {images}}}")} == {
        "us-east-1",
        "eu-west-1",
    }
    assert {where for _, where, _ in placed(catalog, f"{{infra: aws/eu-west-1, image_id: {images}}}")} == {"eu-west-1"}


def test_accelerators_by_memory_are_those_that_have_it(catalog: Catalog) -> None:
    names = {name for _, _, name in placed(catalog, "{gpus: '80GB+:8'}")}
    facts = catalog.accelerator_facts
    assert names
    assert all(facts[name].memory_gib >= 79.5 for name in names)
    exact = {name for _, _, name in placed(catalog, "{gpus: 'NVIDIA:16GB'}")}
    assert {(facts[name].vendor, round(facts[name].memory_gib)) for name in exact} == {("NVIDIA", 16)}


@pytest.mark.parametrize(
    ("resources", "sentence"),
    [
        ("{infra: local, disk_size: 5}", "resources.disk_size: cannot be chosen on this machine, only on aws, azure, gcp; remove it"),
        ("{infra: gcp, disk_tier: ultra}", "resources.disk_tier: cannot be chosen on gcp, only on aws; remove it"),
        ("{image_id: ami-1}", "resources.image_id: is one cloud's; name the cloud with infra"),
        ("{infra: aws, image_id: ami-1}", "resources.image_id: is one region's on AWS; name the region with infra, or an image for each region"),
        ("{infra: aws/us-west-2, image_id: {us-east-1: ami-1}}", "resources.image_id: names no image for us-west-2, only for us-east-1"),
        ("{labels: {'aws:x': y}}", "resources.labels.aws:x: begins with aws: or tradewind-, which labels of yours may not"),
        ("{labels: {a: " + "x" * 300 + "}}", "resources.labels.a: is too long: names have 1 to 128 characters, values up to 256"),
        ("{infra: azure, labels: {example.org/team: y}}", "resources.labels: cannot be chosen on azure, only on aws, gcp, local, ssh; remove it"),
        ("{gpus: 'AMD:17GB'}", "resources.accelerators: no accelerator by AMD with 17 GB is known"),
        ("{gpus: 5000GB+}", "resources.accelerators: no accelerator with 5000 GB or more is known"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told(catalog: Catalog, resources: str, sentence: str) -> None:
    with pytest.raises(PlanError) as caught:
        placed(catalog, resources)
    assert str(caught.value) == sentence
