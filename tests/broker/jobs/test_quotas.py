"""Quotas asked where a plan would buy, and handed to the next one as limits."""

from __future__ import annotations

import asyncio
import pathlib

import pytest

from tests.broker.harness import offer, ranked, run
from tradewind.broker.jobs.planning import CatalogPlanner
from tradewind.broker.jobs.plans import PlanRefused
from tradewind.broker.jobs.quotas import ASKED_AT_ONCE, KNOWN_S, QuotaDesk, bind
from tradewind.broker.provider import ProviderError
from tradewind.broker.store.records import Options
from tradewind.optimizer.plan import Plan
from tradewind.optimizer.problem import Place, Quota
from tradewind.spec import parse_task

HEAD = "cloud,region,zone,instance_type,arch,vcpus,memory_gib,accelerator,accelerator_count,price_ondemand_usd_h,price_spot_usd_h\n"
OFFERS = HEAD + "".join(
    f"{cloud},{region},,{kind},x86_64,4,16,,0,{price},\n"
    for cloud, region, kind, price in (
        ("aws", "us-east-1", "m5.xlarge", 0.10),
        ("aws", "us-west-2", "m5.xlarge", 0.11),
        ("gcp", "us-central1", "n2-standard-4", 0.12),
        ("azure", "eastus", "Standard_D4s_v5", 0.13),
    )
)


class Cloud:
    """One that knows how much its account may still have, by region."""

    def __init__(self, **left: int | None) -> None:
        self.left = {region.replace("_", "-"): amount for region, amount in left.items()}
        self.asked: list[tuple[str, ...]] = []
        self.trouble: Exception | None = None

    async def headroom(self, offers, *, use_spot):
        self.asked.append(tuple(one.region for one in offers))
        if self.trouble is not None:
            raise self.trouble
        return [self.left.get(one.region) for one in offers]


@pytest.fixture
def clouds():
    return {"aws": Cloud(us_east_1=1, us_west_2=2), "gcp": Cloud(us_central1=8), "azure": Cloud()}


def planned(clouds, tmp_path: pathlib.Path, text: str = "num_nodes: 3\n") -> Plan:
    path = tmp_path / "offers.csv"
    path.write_text(OFFERS)
    planner = CatalogPlanner(lambda: dict.fromkeys(clouds, ""), quotas=QuotaDesk(clouds))
    try:
        task = parse_task(text + "run: echo\n", "task.yaml", "/")
        return asyncio.run(planner.plan(task, Options(catalog=str(path))))
    finally:
        planner.close()


def place(plan: Plan) -> str:
    return f"{plan.placements[0].cloud}/{plan.placements[0].region}"


def test_a_gang_that_fits_no_region_of_the_cheapest_cloud_goes_elsewhere_and_the_quota_is_named(clouds, tmp_path):
    plan = planned(clouds, tmp_path)
    assert place(plan) == "gcp/us-central1"
    (aws,) = [one.reason for one in plan.references if one.cloud == "aws"]
    assert aws.startswith("over the quota of 1 nodes at aws/us-east-1/*/m5.xlarge (on demand)")
    assert {one.cloud for one in plan.candidates} == {"gcp", "azure"}, "failover does not go where it cannot buy"


def test_the_region_that_has_room_is_taken(clouds, tmp_path):
    assert place(planned(clouds, tmp_path, "num_nodes: 2\n")) == "aws/us-west-2"
    assert place(planned(clouds, tmp_path, "num_nodes: 1\n")) == "aws/us-east-1"


def test_when_every_quota_is_too_small_they_are_to_blame(clouds, tmp_path):
    clouds["gcp"].left["us-central1"] = 0
    clouds["azure"].left["eastus"] = 2
    with pytest.raises(PlanRefused, match=r"the quota of 2 nodes at azure/eastus"):
        planned(clouds, tmp_path)


def test_what_no_quota_is_known_of_may_be_tried(clouds, tmp_path):
    clouds["aws"].trouble = ProviderError("aws", "AccessDenied", "not yours to see")
    assert place(planned(clouds, tmp_path)) == "aws/us-east-1"


def test_answers_are_remembered_for_a_while(clouds):
    now = 100.0
    desk = QuotaDesk(clouds, clock=lambda: now)

    def ask(*candidates):
        found = []

        async def scenario():
            found.extend(await desk(candidates))

        run(scenario())
        return found

    here = ranked(offer("z1", cloud="aws", region="us-east-1"))
    there = ranked(offer("z9", cloud="aws", region="us-east-1"))
    (quota,) = ask(here, there)
    assert (quota.place.region, quota.place.zone, quota.limit) == ("us-east-1", "", 1)
    ask(here)
    assert clouds["aws"].asked == [("us-east-1",)], "once for all zones of a region, and not again at once"
    now += KNOWN_S + 1
    ask(here)
    assert len(clouds["aws"].asked) == 2
    many = [ranked(offer("", cloud="azure", region=f"r{n}")) for n in range(50)]
    assert ask(*many) == []
    assert len(clouds["azure"].asked[0]) == ASKED_AT_ONCE


def test_only_what_is_too_small_binds():
    one = ranked(offer("z1", cloud="aws", region="r1"))
    quota = Quota(Place("aws", "r1", "", one.instance_type, one.use_spot), 2)
    assert bind([quota], one, 3)
    assert not bind([quota], one, 2)
    assert not bind([Quota(Place("aws", "r2"), 0)], one, 3)
