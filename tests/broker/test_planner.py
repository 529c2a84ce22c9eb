"""From a task to a plan over the shipped catalog: exact, with its defaults said, and clear about what is not to be had."""

from __future__ import annotations

import random
import subprocess
import sys

import msgspec
import pytest

from tradewind.broker.planner import ExplainedPlan, PlanError, explain_task, plan_task, plan_tasks, relaxations
from tradewind.catalog import OfferFilter, open_catalog
from tradewind.optimizer import Limits, Place, Plan, Quota, Recovery, Together
from tradewind.spec.task import AcceleratorRequest, Infra, Quantity, Resources, Task


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        opened = open_catalog()
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def rows(catalog):
    return catalog.offers(OfferFilter(use_spot=None, restricted=True, burstable=True))


def task(*resources: Resources, **fields) -> Task:
    return Task(name="t", resources=resources or (Resources(),), **fields)


def gpu(name: str, count: float = 1, **more) -> Resources:
    return Resources(accelerators=(AcceleratorRequest(name, count),), **more)


def at_least(value: float) -> Quantity:
    return Quantity(value, at_least=True)


def random_resources(rng: random.Random, names: list[str]) -> Resources:
    """A request as people make them; most can be served."""
    infra = rng.choice([Infra()] * 3 + [Infra("aws"), Infra("gcp"), Infra("azure", "eastus"), Infra(None, "us-east-1")])
    if rng.random() < 0.3:
        return gpu(rng.choice(names), rng.choice([1, 2, 4, 8]), use_spot=rng.random() < 0.5, infra=infra)
    cpus = rng.choice([None, Quantity(4), at_least(2), at_least(16), at_least(100)])
    memory = rng.choice([None, Quantity(16), at_least(8), at_least(500), Quantity(4, per_vcpu=True)])
    return Resources(
        infra=infra,
        cpus=cpus,
        memory=memory,
        use_spot=rng.random() < 0.5,
        arch=rng.choice([None, None, "arm64", "any"]),
        burstable=rng.random() < 0.2,
        max_hourly_cost=rng.choice([None, None, 0.05, 1.0]),
    )


def serves(r: Resources, offer) -> bool:
    """The rules of the request, written out once more by hand."""
    cpus, memory = r.cpus, r.memory
    if not (r.cpus or r.memory or r.accelerators):
        cpus, memory = at_least(2), at_least(4)
    price = offer.price_spot_usd_h if r.use_spot else offer.price_ondemand_usd_h
    arch = r.arch or ("any" if r.accelerators else "x86_64")

    def holds(quantity, value):
        if quantity is None:
            return True
        return value is not None and (value >= quantity.value if quantity.at_least else value == quantity.value)

    if memory is not None and memory.per_vcpu:
        fits = None not in {offer.memory_gib, offer.vcpus} and offer.memory_gib >= memory.value * offer.vcpus
    else:
        fits = holds(memory, offer.memory_gib)
    wanted = r.accelerators[0] if r.accelerators else None
    return (
        price is not None
        and (r.max_hourly_cost is None or price <= r.max_hourly_cost)
        and r.infra.cloud in {None, offer.cloud}
        and r.infra.region in {None, offer.region}
        and (r.infra.region is not None or not offer.restricted)
        and (r.burstable or not offer.burstable)
        and arch in {"any", offer.arch}
        and holds(cpus, offer.vcpus)
        and fits
        and (
            offer.accelerator == ""
            if wanted is None
            else (offer.accelerator == wanted.name and abs(offer.accelerator_count - wanted.count) < 0.002)
        )
    )


@pytest.mark.parametrize("seed", range(40))
def test_is_the_cheapest_of_all_rows(catalog, rows, seed):
    resources = random_resources(random.Random(seed), ["A100", "A100-80GB", "T4", "H100", "V100", "L4"])
    fitting = [o for o in rows if serves(resources, o)]
    prices = [o.price_spot_usd_h if resources.use_spot else o.price_ondemand_usd_h for o in fitting]
    plan = plan_task(task(resources, num_nodes=2), catalog)
    assert plan.feasible == bool(fitting)
    if not fitting:
        assert plan.why_infeasible
        return
    assert plan.hourly_usd == pytest.approx(2 * min(prices), rel=1e-12)
    assert serves(resources, plan.placements[0].offer)
    assert plan.certificate.gap == 0
    cap = resources.max_hourly_cost
    if cap is None:
        assert plan.offers_considered == len(fitting)
    assert {c.cloud for c in plan.candidates} == {o.cloud for o in fitting}
    assert all(serves(resources, c.offer) for c in plan.candidates)


class TestDefaults:
    def test_every_one_is_said(self, catalog):
        assert plan_task(task(), catalog).defaults_applied == (
            "cpus: 2+ and memory: 4+, because no size is named",
            "arch: x86_64 (arch: arm64 or any admits others)",
            "no machines with accelerators",
            "no burstable machines (burstable: true admits them)",
            "no regions with restricted access (naming a region admits it)",
            "on demand (use_spot: true buys spot)",
            "length: 1 hour, because none is given",
        )

    def test_what_is_asked_is_no_default(self, catalog):
        asked = Resources(
            infra=Infra("aws", "us-gov-west-1"),
            cpus=Quantity(2),
            memory=at_least(1),
            arch="any",
            burstable=True,
        )
        plan = plan_task(task(asked), catalog, hours=2)
        assert plan.defaults_applied == ("no machines with accelerators", "on demand (use_spot: true buys spot)")
        assert plan.placements[0].offer.restricted
        assert plan.total_usd == 2 * plan.hourly_usd

    def test_naming_a_type_asks_for_what_it_is(self, catalog):
        placement = plan_task(task(Resources(instance_type="t4g.small")), catalog).placements[0]
        assert (placement.instance_type, placement.offer.burstable) == ("t4g.small", True)
        assert not placement.offer.restricted

    def test_spot_only_and_the_other_market_beside_it(self, catalog):
        plan = plan_task(task(Resources(use_spot=True)), catalog)
        assert all(c.use_spot for c in plan.candidates)
        ondemand = [r for r in plan.references if not r.use_spot]
        assert ondemand[0].reason.startswith("on demand; spot was asked for; ")
        assert {"aws", "gcp", "azure"} <= {c.cloud for c in plan.candidates}
        assert "lambda" in {r.cloud for r in ondemand}


class TestLimits:
    def test_a_lost_place_is_planned_around(self, catalog):
        wanted = task(Resources(use_spot=True, cpus=at_least(4)), num_nodes=2)
        first = plan_task(wanted, catalog).placements[0]
        lost = Place(first.cloud, first.region, first.zone, use_spot=True)
        second = plan_task(wanted, catalog, limits=Limits(blocks=(lost,)))
        again = second.placements[0]
        assert (again.cloud, again.region, again.zone) != (first.cloud, first.region, first.zone)
        assert again.hourly_usd >= first.hourly_usd

    def test_a_blocked_type_gives_way_to_the_next_in_the_same_place(self, catalog):
        wanted = task(Resources(infra=Infra("aws", "us-east-1")))
        first = plan_task(wanted, catalog).placements[0]
        for pattern in (first.instance_type, f"{first.instance_type[:3]}*"):
            plan = plan_task(wanted, catalog, limits=Limits(blocks=(Place(instance_type=pattern),)))
            assert plan.placements[0].region == "us-east-1"
            assert plan.placements[0].hourly_usd >= first.hourly_usd
            assert not any(c.instance_type.startswith(pattern.rstrip("*")) for c in plan.candidates)

    def test_a_quota_on_a_type_is_exact_over_all_types(self, catalog, rows):
        wanted = task(Resources(infra=Infra("aws", "us-east-1"), cpus=Quantity(4)), num_nodes=3)
        first = plan_task(wanted, catalog).placements[0]
        quota = Quota(Place(cloud="aws", instance_type=first.instance_type), 2)
        plan = plan_task(wanted, catalog, limits=Limits(quotas=(quota,)))
        fitting = [
            o.price_ondemand_usd_h
            for o in rows
            if serves(wanted.resources[0], o) and o.instance_type != first.instance_type
        ]
        assert plan.hourly_usd == pytest.approx(3 * min(fitting))

    def test_tasks_share_a_cap(self, catalog):
        tasks = [msgspec.structs.replace(task(), name=name) for name in ("a", "b")]
        alone = plan_task(task(), catalog).hourly_usd
        assert plan_tasks(tasks, catalog, limits=Limits(max_hourly_usd=2 * alone)).hourly_usd == 2 * alone
        assert not plan_tasks(tasks, catalog, limits=Limits(max_hourly_usd=1.9 * alone)).feasible

    def test_clouds_left_out_are_shown_with_the_reason(self, catalog):
        everywhere = plan_task(task(), catalog)
        usable = {"azure", "lambda"}
        plan = plan_task(task(), catalog, clouds=usable)
        assert {c.cloud for c in plan.candidates} <= usable
        cheaper = next(r for r in plan.references if r.cloud == everywhere.placements[0].cloud and not r.use_spot)
        assert "can't be used from here: no provider or no credentials" in cheaper.reason
        assert "cheaper" in cheaper.reason

    def test_any_of_takes_the_cheaper_alternative(self, catalog):
        both = plan_task(task(gpu("A100", 8), gpu("A100", 8, use_spot=True)), catalog)
        assert both.placements[0].use_spot
        assert both.placements[0].alternative == 1
        counted = plan_task(
            task(gpu("A100", 8), gpu("A100", 8, use_spot=True)), catalog, hours=100, recovery=Recovery(float("inf"))
        )
        assert counted.total_usd >= both.hourly_usd * 100

    def test_a_zone_that_is_named_is_the_zone_that_is_placed(self, catalog):
        placement = plan_task(task(Resources(infra=Infra("aws", "us-east-1", "use1-az2"))), catalog).placements[0]
        assert (placement.region, placement.zone) == ("us-east-1", "use1-az2")


class TestNothingToBeHad:
    @pytest.mark.parametrize(
        ("resources", "sentence"),
        [
            (gpu("A100", 7), "t: no offer has 7 A100; counts sold: 1, 2, 4, 8, 16"),
            (Resources(cpus=at_least(5000)), "t: no machine that fits the rest has cpus: 5000+; the nearest has"),
            (Resources(cpus=Quantity(2), memory=at_least(9999)), "memory: 9999+; the nearest has"),
            (Resources(max_hourly_cost=0.001), "nothing costs 0.001 USD/h or less a node; the cheapest that fits is"),
            (Resources(infra=Infra("lambda"), use_spot=True), "nobody sells it spot; on demand it starts at"),
            (Resources(instance_type="m5.large", arch="arm64"), "no machine of that architecture fits the rest"),
        ],
    )
    def test_says_what_is_in_the_way_and_what_is_near(self, catalog, resources, sentence):
        plan = plan_task(task(resources), catalog)
        assert not plan.feasible
        assert sentence in " | ".join(plan.why_infeasible)

    def test_no_usable_cloud(self, catalog):
        plan = plan_task(task(Resources(infra=Infra("aws"))), catalog, clouds={"gcp"})
        assert plan.why_infeasible == ("t: aws can't be used from here: no provider or no credentials",)
        assert plan.references

    @pytest.mark.parametrize(
        ("resources", "field", "suggestion"),
        [
            (gpu("A1000"), "resources.accelerators", "A100"),
            (Resources(infra=Infra("awss")), "resources.infra", "aws"),
            (Resources(infra=Infra("aws", "us-east-11")), "resources.infra", "us-east-1"),
            (Resources(instance_type="m5.lrge"), "resources.instance_type", "m5.large"),
        ],
    )
    def test_unknown_names_get_the_nearest(self, catalog, resources, field, suggestion):
        with pytest.raises(PlanError, match=f"did you mean '{suggestion}'") as caught:
            plan_task(task(resources), catalog)
        assert (caught.value.field, caught.value.suggestion) == (field, suggestion)
        assert str(caught.value).count("did you mean") == 1


def test_relaxations_say_what_giving_up_one_thing_saves(catalog):
    plan = plan_task(task(), catalog)
    found = relaxations(task(), catalog, plan)
    assert [r.total_usd for r in found] == sorted(r.total_usd for r in found)
    by_name = {r.what.split(" (")[0]: r for r in found}
    spot = by_name["buy spot"]
    assert spot.placement.use_spot
    assert spot.saving == pytest.approx(1 - spot.total_usd / plan.total_usd)
    assert {"allow arm64 and x86_64", "allow burstable machines"} <= set(by_name)


def test_relaxations_of_the_impossible_make_it_possible(catalog):
    wanted = task(Resources(infra=Infra("lambda"), use_spot=True))
    found = relaxations(wanted, catalog, plan_task(wanted, catalog))
    assert "allow any cloud" in {r.what for r in found}
    assert all(r.saving is None for r in found)


def test_same_plan_every_time_and_over_the_wire(catalog):
    plan = plan_task(task(Resources(use_spot=True)), catalog)
    again = plan_task(task(Resources(use_spot=True)), catalog)
    steady = [msgspec.structs.replace(p, certificate=plan.certificate) for p in (plan, again)]
    assert steady[0] == steady[1]
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan


def test_same_plan_whatever_the_hash_seed(catalog, monkeypatch):
    program = (
        "import sys, msgspec\n"
        "from tradewind.broker.planner import plan_task\n"
        "from tradewind.catalog import open_catalog\n"
        "from tradewind.spec.task import Resources, Task\n"
        "with open_catalog() as catalog:\n"
        "    plan = plan_task(Task(resources=(Resources(use_spot=True),)), catalog)\n"
        "still = msgspec.structs.replace(plan.certificate, seconds=0.0)\n"
        "sys.stdout.buffer.write(msgspec.json.encode(msgspec.structs.replace(plan, certificate=still)))\n"
    )
    plans = set()
    for seed in ("0", "1", "4242"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        plans.add(subprocess.run([sys.executable, "-c", program], check=True, capture_output=True).stdout)
    assert len(plans) == 1


def test_explained_in_full(catalog):
    told = explain_task(task(Resources(use_spot=True), num_nodes=2), catalog, hours=4, recovery=Recovery(1.0))
    margin = told.explanation.margins[0]
    parts = told.explanation.parts[0]
    assert told.plan.feasible
    assert margin.rise >= 0
    assert margin.next_best.task == "t"
    assert parts.work_usd + parts.overhead_usd == pytest.approx(told.plan.total_usd)
    assert parts.overhead_usd > 0
    assert all(r.total_usd < told.plan.total_usd for r in told.relaxations)
    assert msgspec.json.decode(msgspec.json.encode(told), type=ExplainedPlan) == told


def test_a_gang_of_two_kinds_stands_in_one_region(catalog):
    server = msgspec.structs.replace(task(Resources(cpus=at_least(2))), name="server")
    workers = msgspec.structs.replace(task(gpu("A100", 8, use_spot=True), num_nodes=2), name="workers")
    apart = plan_tasks([server, workers], catalog)
    plan = plan_tasks([server, workers], catalog, together=[Together(("server", "workers"))])
    assert len({(p.cloud, p.region) for p in apart.placements}) == 2
    assert len({(p.cloud, p.region) for p in plan.placements}) == 1
    assert plan.total_usd >= apart.total_usd
    assert plan.certificate.gap == 0


def test_any_accelerator_is_the_cheapest_of_its_count(catalog) -> None:
    for count in (1, 2):
        plan = plan_task(task(gpu("any", count)), catalog)
        every = [plan_task(task(gpu(name, count)), catalog) for name in catalog.accelerator_names()]
        assert plan.feasible
        assert plan.hourly_usd == min(each.hourly_usd for each in every if each.feasible)
