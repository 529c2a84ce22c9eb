"""Disks, images and accelerators by memory narrow a plan to what can give them, and say so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tradewind.broker.planner import PlanError, explain_task, plan_task
from tradewind.broker.planner.plan import DISKS_NOT_COUNTED
from tradewind.catalog import Catalog, Offer, OfferFilter, open_catalog
from tradewind.optimizer import Plan
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


def test_a_plan_with_a_disk_says_that_its_prices_are_without_it(catalog: Catalog) -> None:
    said = {
        resources: plan_task(parse_task(f"resources: {resources}\n", "t.yaml", "/"), catalog).defaults_applied
        for resources in ("{cpus: 2+}", "{cpus: 2+, disk_size: 500}", "{cpus: 2+, disk_tier: high}")
    }
    assert [DISKS_NOT_COUNTED in sentences for sentences in said.values()] == [False, True, True]


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


@pytest.fixture(scope="module")
def everything(catalog: Catalog) -> list[Offer]:
    return catalog.offers(OfferFilter(use_spot=None))


def planned(catalog: Catalog, resources: str) -> Plan:
    return plan_task(parse_task(f"resources: {resources}\n", "t.yaml", "/"), catalog)


@pytest.mark.parametrize(
    "resources",
    [
        "{gpus: A100:8, local_disk: 'nvme:2000+'}",
        "{cpus: 16+, network_speed: 50}",
        "{cpus: 2+, features: [nested_virtualization]}",
        "{cpus: 2+, features: efa, local_disk: 'ssd:900+', use_spot: true}",
        "{cpus: 32+, network_tier: best}",
    ],
)
def test_equipment_is_kept_and_nothing_cheaper_was_left_out(
    catalog: Catalog, everything: list[Offer], resources: str
) -> None:
    """The plan is what going through every offer of the catalog finds."""
    asked = parse_task(f"resources: {resources}\n", "t.yaml", "/").resources[0]
    spot = asked.use_spot

    def fits(o: Offer) -> bool:
        disk = asked.local_disk
        kinds = {None: set(), "nvme": {"nvme"}, "ssd": {"nvme", "ssd"}}[disk.kind if disk else None]
        needed = {*asked.features, *(("efa",) if asked.network_tier else ())}
        return (
            (o.price_spot_usd_h if spot else o.price_ondemand_usd_h) is not None
            and (asked.cpus is None or (o.vcpus or 0) >= asked.cpus.value)
            and (not asked.accelerators or (o.accelerator, o.accelerator_count) == ("A100", 8))
            and bool(o.accelerator) == bool(asked.accelerators)
            and (bool(asked.accelerators) or o.arch == "x86_64")
            and (disk is None or ((o.local_disk_gb or 0) >= disk.size_gb and (not kinds or o.local_disk_kind in kinds)))
            and (asked.network_gbps is None or (o.network_gbps or 0) >= asked.network_gbps)
            and needed <= set(o.features)
        )

    least = min((o.price_spot_usd_h if spot else o.price_ondemand_usd_h) for o in everything if fits(o))
    plan = planned(catalog, resources)
    assert all(fits(line.offer) for line in plan.candidates)
    assert plan.placements[0].hourly_usd == pytest.approx(least)


def test_what_no_source_tells_is_said(catalog: Catalog) -> None:
    said = planned(catalog, "{gpus: A100:8, local_disk: 'nvme:2000+'}").defaults_applied
    assert "left out, because no source tells it (local disk): 1 type on azure, 1 type on lambda" in said


@pytest.mark.parametrize(
    ("resources", "why"),
    [
        ("{gpus: A100:8, local_disk: 'nvme:9000+'}", "no machine that fits the rest has local_disk: 9000+; the nearest has 8000 GB"),
        ("{infra: gcp, cpus: 2, network_speed: 99}", "no machine that fits the rest has network_speed: 99+; the nearest has 32 Gbit/s"),
        ("{infra: lambda, gpus: A100:8, local_disk: nvme}", "local_disk cannot be judged: no source gives the GB of what fits the rest"),
        ("{infra: gcp, features: efa}", "no machine that fits the rest is known to have these features; without that the cheapest is"),
    ],
)  # fmt: skip
def test_what_is_in_the_way_is_told_with_what_is_near(catalog: Catalog, resources: str, why: str) -> None:
    plan = planned(catalog, resources)
    assert not plan.feasible
    assert any(why in sentence for sentence in plan.why_infeasible), plan.why_infeasible


def test_what_giving_up_the_disk_would_save_is_told(catalog: Catalog) -> None:
    task = parse_task("resources: {cpus: 16+, local_disk: 'nvme:500+'}\n", "t.yaml", "/")
    assert "allow machines without such a local disk" in {
        eased.what for eased in explain_task(task, catalog).relaxations
    }


@pytest.mark.parametrize(
    ("resources", "sentence"),
    [
        ("{infra: local, disk_size: 5}", "resources.disk_size: cannot be chosen on this machine, only on aws, azure, gcp; remove it"),
        ("{infra: gcp, disk_tier: ultra}", "resources.disk_tier: cannot be chosen on gcp, only on aws; remove it"),
        ("{infra: azure, network_tier: best}", "resources.network_tier: cannot be chosen on azure, only on aws; remove it"),
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
